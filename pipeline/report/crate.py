"""Several stores to hand on: a zip archive that says what is in it, as an RO-Crate.

Source: Soiland-Reyes et al., Data Science 5 (2022), 97; the library writes its newest version of the format.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import numpy as np
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from pipeline.errors import RequestError
from pipeline.plan import history_of
from pipeline.report import Part, page
from pipeline.request import Config
from pipeline.store import Part as Whole
from pipeline.store import Store, export_part, new_file
from pipeline.words import one_line, store_name

_SUMS = "manifest-sha256.txt"
_PAGE = "report.html"
_KINDS = {".zip": "application/zip", ".json": "application/json", ".html": "text/html", ".txt": "text/plain"}


def write(
    parts: Sequence[Part],
    to: Path,
    overwrite: bool,
    licence: str | None,
    command: str,
    paper: Callable[[str], Config] | None,
) -> list[str]:
    """Write some stores, a page about them and their provenance: what `pipeline.report.write_crate` does."""
    stores = [_store_of(part) for part in parts]
    before = [_filled(store) for store in stores]
    with (
        new_file(to, overwrite) as aside,
        # Named so that what a kill leaves says what it is.
        TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as name,
    ):
        folder = Path(name)
        crate = ROCrate()
        crate.name = f"Parameter sweeps: {', '.join(store.path.name.partition('.')[0] for store in stores)}"
        crate.description = "Stores of parameter sweeps, what they say on a page, and how they came to be."
        software = crate.add(ContextEntity(crate, "#software", properties=_software()))
        if licence:
            crate.license = licence
        for store, name in zip(stores, _names(stores), strict=True):
            archive, told = export_part(_whole(store), folder / name, False, command)
            held = crate.add_file(archive, properties=_about(archive, f"Store of {store.path.name}"))
            origin = crate.add_file(told, properties=_about(told, f"Runs, code and machines of {store.path.name}"))
            for number, run in enumerate(history_of(store).runs, start=1):
                properties = {"name": one_line(run.command), "startTime": run.started, "description": str(run)}
                properties |= {"endTime": run.ended} if run.ended else {}
                identifier = f"#{archive.name}-run-{number}"
                crate.add_action(software, identifier, object=[origin], result=[held], properties=properties)
        faults = page.write(parts, folder / _PAGE, False, crate.name, command, paper)
        crate.add_file(folder / _PAGE, properties=_about(folder / _PAGE, "The page: figures, numbers, provenance"))
        sums = folder / _SUMS
        held_files = sorted(crate.data_entities, key=lambda entity: str(entity.id))
        sums.write_text("".join(_line(entity["sha256"], unquote(entity.id)) for entity in held_files), "utf-8")
        crate.add_file(sums, properties=_about(sums, "SHA-256 of the other files, for sha256sum --check"))
        if [_filled(_store_of(part)) for part in parts] != before:
            raise RequestError(["path: a store has grown while it was exported; export it again"])
        whole = folder / "crate.zip"
        crate.write_zip(whole)
        whole.rename(aside)
    return faults


def _store_of(part: Part) -> Store:
    store = part.plan_now().store
    assert store is not None
    return store


def _names(stores: Sequence[Store]) -> list[str]:
    """Of the archives, all distinct."""
    names = dict[str, None]()
    for store in stores:
        name = store_name(store.path)
        while name in names:
            name = f"{name}-{store_name(store.path)}"
        names[name] = None
    return [f"{name}.zarr.zip" for name in names]


def _filled(store: Store) -> tuple[int, int, int]:
    """What changes as a store grows."""
    return store.n_points, int(store.stored.sum()), len(store.runs())


def _whole(store: Store) -> Whole:
    """All of a store: an archive has it as it is."""
    return Whole(
        store, np.arange(store.n_points), np.full(store.n_points, store.layout.members), "points", store.axes
    )


def _about(file: Path, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "contentSize": str(file.stat().st_size),
        "encodingFormat": _KINDS[file.suffix],
        "sha256": _sum(file),
    }


def _sum(file: Path) -> str:
    digest = sha256()
    with file.open("rb") as opened:
        while some := opened.read(1 << 20):
            digest.update(some)
    return digest.hexdigest()


def _line(digest: str, name: str) -> str:
    """What sha256sum reads: where a name has a line break or a backslash, a backslash before the line says so."""
    escaped = name.replace("\\", r"\\").replace("\n", r"\n")
    mark = "" if escaped == name else "\\"
    return f"{mark}{digest}  {escaped}\n"


def _software() -> dict[str, Any]:
    told = metadata("autonomous-learning")
    return {
        "@type": "SoftwareApplication",
        "name": told["Name"],
        "softwareVersion": told["Version"],
        "description": told["Summary"],
    }

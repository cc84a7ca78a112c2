"""Crates: stores to hand on open with the library, their checksums hold, and figures drawn from them are the same."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import zipfile

import pytest
from rocrate.rocrate import ROCrate

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG
from tests import command
from tests.command import tiny


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory):
    """Two stores, and the folder into which a crate of them was unpacked."""
    root, to = tmp_path_factory.mktemp("stores"), tmp_path_factory.mktemp("unpacked")
    for name in ("one", "other"):
        arguments = [one for one in tiny(root, f"store.name={name}") if not one.startswith("cluster.")]
        assert command.run([*arguments, "cluster=serial"]).returncode == COMPLETE
    file = to.parent / "handed_on.zip"
    file.unlink(missing_ok=True)
    ended = command.run(["action=export", f"path={root}", f"to={file}"])
    assert (ended.returncode, ended.stderr) == (COMPLETE, "")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(to)
    file.unlink()
    return root, to


def test_it_opens_with_its_library_and_says_what_is_in_it(handed_on):
    crate = ROCrate(handed_on[1])
    held = {entity.id for entity in crate.data_entities}
    files = {file.name for file in handed_on[1].iterdir()} - {"ro-crate-metadata.json"}
    assert held == files
    assert {"one.zarr.zip", "other.zarr.zip", "report.html"} <= held
    runs = crate.get_by_type("CreateAction")
    assert len(runs) == 2
    assert all("python -m pipeline +sweep=kuramoto_T" in run["name"] for run in runs)
    assert {run["result"][0].id for run in runs} == {"one.zarr.zip", "other.zarr.zip"}
    assert runs[0]["instrument"]["softwareVersion"]


def test_its_checksums_hold(handed_on):
    folder = handed_on[1]
    crate = ROCrate(folder)
    lines = (folder / "manifest-sha256.txt").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    for name, digest in sums.items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest == crate.get(name)["sha256"]
        assert int(crate.get(name)["contentSize"]) == len(content)
    assert len(sums) == len(list(folder.iterdir())) - 2  # all but itself and the metadata


def test_figures_of_what_was_handed_on_are_the_same(handed_on, main, tmp_path):
    root, unpacked = handed_on
    drawn = []
    for k, path in enumerate((root / "one.zarr", unpacked / "one.zarr.zip")):
        folder = tmp_path / str(k)
        wanted = ("figures.draw=[kuramoto_T]", "figures.format=[png]", f"figures.folder={folder}")
        assert main(["action=figures", f"path={path}", *wanted]).code == COMPLETE
        drawn.append((folder / "one.csv").read_bytes())
    assert drawn[0] == drawn[1]
    assert main(["action=verify", f"path={unpacked / 'one.zarr.zip'}", "verify.sample=2"]).code == COMPLETE
    assert b'id="store-one"' in (unpacked / "report.html").read_bytes()


def test_what_cant_be_handed_on_is_told_and_leaves_nothing(handed_on, main, tmp_path, monkeypatch):
    root, _ = handed_on
    there = tmp_path / "there.zip"
    there.write_text("mine")
    assert main(["action=export", f"path={root}", f"to={there}"]).code == CONFIG_WRONG
    assert there.read_text() == "mine"
    within = root / "one.zarr" / "x.zip"
    assert main(["action=export", f"path={root}", f"to={within}"]).code == CONFIG_WRONG
    assert main(["action=export", f"path={tmp_path / 'gone'}", f"to={tmp_path / 'x.zip'}"]).code == CONFIG_WRONG
    chunk = root / "other.zarr" / "weight" / "c.0.0.0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1])
    try:
        assert main(["action=export", f"path={root}", f"to={tmp_path / 'x.zip'}"]).code == BLOCKS_FAILED
    finally:
        chunk.write_bytes(content)
    assert os.listdir(tmp_path) == ["there.zip"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = main(["action=export", f"path={root}", f"to={tmp_path / 'x.zip'}"])
    assert ended.code == CONFIG_WRONG
    assert "pip install -e '.[crate]'" in ended.err


def test_stores_of_any_name_are_handed_on(handed_on, tmp_path):
    """A blank, a percent sign, a line break, and a store beside its own archive."""
    root, _ = handed_on
    folder = tmp_path / "stores"
    shutil.copytree(root / "one.zarr", folder / "a b%20ü.zarr")
    shutil.copytree(root / "one.zarr", folder / "w.zarr")
    shutil.copytree(root / "one.zarr", folder / "two\nlines.zarr")
    export = ["action=export", f"path={folder / 'w.zarr'}", f"to={folder / 'w.zarr.zip'}"]
    assert command.run(export).returncode == COMPLETE
    licence = "https://spdx.org/licenses/CC0-1.0"
    file = tmp_path / "x.zip"
    ended = command.run(["action=export", f"path={folder}", f"to={file}", f"export.licence={licence}"])
    assert (ended.returncode, ended.stderr) == (COMPLETE, "")
    to = tmp_path / "unpacked"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(to)
    names = {"a b%20ü.zarr.zip", "w.zarr.zip", "w-w.zarr.zip", "two\nlines.zarr.zip"}
    assert {one.name for one in to.glob("*.zarr.zip")} == names
    checked = subprocess.run(
        ["sha256sum", "--check", "manifest-sha256.txt"], cwd=to, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout.count(": OK"), checked.stderr) == (0, 9, "")
    assert ROCrate(to).license == licence


def test_a_crate_names_no_licence_by_itself(handed_on):
    assert ROCrate(handed_on[1]).license is None


def test_a_store_that_grows_while_it_is_handed_on_is_not(handed_on, main, tmp_path, monkeypatch):
    from pipeline.report import crate, page

    path = tmp_path / "w.zarr"
    shutil.copytree(handed_on[0] / "one.zarr", path)
    whole = page.write

    def grow(*arguments):
        faults = whole(*arguments)
        shutil.copy(next((path / "runs").glob("0*.json")), path / "runs" / "000009.json")
        return faults

    monkeypatch.setattr(crate.page, "write", grow)
    ended = main(["action=export", f"path={path}", f"to={tmp_path / 'x.zip'}"])
    assert ended.code == CONFIG_WRONG
    assert "has grown" in ended.err
    assert os.listdir(tmp_path) == ["w.zarr"]

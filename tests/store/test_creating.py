"""Making a store: it appears complete or not at all, says what identifies its numbers, and replaces nothing."""

import json
import re
import shutil

import pytest
import zarr

from pipeline.errors import Damaged, RequestError
from pipeline.store import open_store, open_sweep
from pipeline.store.layout import SCHEMA
from tests.contents import files, fill
from tests.dying import dying_at
from tests.store.small import SMALL, made

CREATING = re.compile(r"\.a\.zarr\.creating-[0-9a-f]{16}")


def test_creation_that_dies_at_any_step_leaves_no_store_and_the_next_one_cleans_up(sweep, tmp_path):
    small, whole = sweep(*SMALL), tmp_path / "whole" / "a.zarr"
    with dying_at(None) as steps:
        made(whole, small)
    assert CREATING.fullmatch(steps[-1].name)  # is renamed as the last step
    assert len(steps) > 30
    path = tmp_path / "a.zarr"
    for step in range(len(steps)):
        with dying_at(step) as taken:
            made(path, small)
        assert len(taken) > step
        assert open_store(path) is None
        (unfinished,) = tmp_path.glob(".a.zarr.creating-*")
        assert CREATING.fullmatch(unfinished.name)
    made(path, small)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["a.zarr", "whole"]
    assert {name: content for name, (content, *_) in files(path).items() if name != "runs/lock"} == {
        name: content for name, (content, *_) in files(whole).items() if name != "runs/lock"
    }


@pytest.mark.parametrize(
    "name",
    [
        ".b.zarr.creating-0123456789abcdef",  # of another store
        "a.zarr.creating-new",
        ".a.zarr.creating-new",
        ".a.zarr.creating-0123456789ABCDEF",
        ".a.zarr.creating-0123456789abcdef0",
        ".a.zarr.creating-0123456789abcdef.zarr",
    ],
)
def test_only_what_has_the_exact_name_of_a_leftover_is_removed(name, sweep, tmp_path):
    other, leftover = tmp_path / name, tmp_path / ".a.zarr.creating-0123456789abcdef"
    other.mkdir()
    leftover.mkdir()
    made(tmp_path / "a.zarr", sweep(*SMALL))
    assert other.exists()
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("name", "removed"),
    [
        ("zarr.json.0123456789abcdef.partial", True),
        ("value/c.0.0.0123456789abcdef.partial", True),
        ("pending/0123456789abcdef-0.0123456789abcdef.partial", True),
        ("notes.partial", False),
        ("my.0123456789abcdef.partial.zarr", False),
        ("my.0123456789abcde.partial", False),
        ("my.0123456789ABCDEF.partial", False),
    ],
)
def test_only_what_a_driver_that_died_left_half_written_is_removed(name, removed, sweep, copy_of):
    path = copy_of("small")
    (path / "runs" / "lock").write_text("{}")  # as a driver that died leaves it
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_text("mine")
    made(path, sweep(*SMALL))
    assert (path / name).exists() != removed


def test_a_store_holds_what_identifies_its_numbers(sweep, templates):
    attributes = json.loads((templates / "small" / "zarr.json").read_text())["attributes"]
    assert attributes["schema"] == SCHEMA
    assert attributes["fingerprint"] == json.loads(json.dumps(sweep(*SMALL).fingerprint))
    assert attributes["fingerprint"] == {
        "system": "kuramoto",
        "settings": dict(sweep(*SMALL).settings),
        "axes": ["T"],
        "seed": 1,
        "noise": "independent",
        "block_members": 8,
        "records": 5,
    }


@pytest.mark.parametrize("sampling", ["product", "zip"])
def test_how_a_request_samples_is_not_kept_as_if_it_belonged_to_the_store(sampling, sweep, tmp_path, templates):
    fill(sweep(*SMALL, f"sampling.method={sampling}"), tmp_path / "a.zarr")
    ours, others = (open_store(path).layout for path in (tmp_path / "a.zarr", templates / "small"))
    assert ours.root() == others.root()


# --- what is no store of this program -------------------------------------------------------------------------


def a_folder(path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def a_file(path):
    path.write_text("mine")


def a_foreign_group(path):
    zarr.open_group(path, mode="w").create_array("mine", shape=(3,), dtype="f8")


def a_foreign_group_with_a_schema(path):
    a_foreign_group(path)
    zarr.open_group(path, mode="r+").attrs.update(schema=1)


def a_foreign_array(path):
    zarr.create_array(path, shape=(3,), dtype="f8")


def a_damaged_group(path):
    a_foreign_group(path)
    (path / "zarr.json").write_text("{")


def a_newer_schema(path):
    a_foreign_group(path)
    zarr.open_group(path, mode="r+").attrs.update(schema=SCHEMA + 1, fingerprint={})


def an_older_schema(path):
    a_foreign_group(path)
    zarr.open_group(path, mode="r+").attrs.update(schema=SCHEMA - 1, fingerprint={})


STRANGERS = [
    a_folder, a_file, a_foreign_group, a_foreign_group_with_a_schema, a_foreign_array, a_damaged_group, a_newer_schema,
    an_older_schema,
]  # fmt: skip


@pytest.mark.parametrize("make", STRANGERS)
def test_what_is_no_store_of_this_program_is_refused_and_left_alone(make, sweep, tmp_path):
    path = tmp_path / "a.zarr"
    make(path)
    before = files(tmp_path)
    for attempt in (lambda: made(path, sweep()), lambda: open_store(path), lambda: open_sweep(path)):
        with pytest.raises((RequestError, Damaged), match=r"a\.zarr.*: .*; ") as raised:
            attempt()
        assert "\n" not in str(raised.value)
    assert files(tmp_path) == before


def test_reading_where_nothing_is_says_so(tmp_path):
    with pytest.raises(RequestError, match="got nothing there"):
        open_sweep(tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_removed_is_made_anew(sweep, copy_of):
    path = copy_of("small")
    shutil.rmtree(path)
    assert len(fill(sweep(*SMALL), path)) == 2

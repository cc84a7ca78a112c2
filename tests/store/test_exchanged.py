"""Files of a store that are lost, damaged, edited, older than the rest or in the place of others: whoever looks sees
true numbers, or one line that names the file and says what to do."""

import json
import os
import random
import shutil
import struct
from functools import partial

import pytest
import zstandard

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.store import open_store
from pipeline.store.chunks import checked, decoded, encoded
from pipeline.store.layout import _checksum
from tests import tiny_store
from tests.tiny_store import FIGURE, LARGE, MORE_POINTS, arguments, copied, fill, read_all, told_of

drawn, small_tiles = tiny_store.drawn, tiny_store.small_tiles
pytestmark = [pytest.mark.usefixtures("drawn", "small_tiles"), pytest.mark.timeout(60)]

LARGER = (*LARGE, "axes.T.values=[10,5,20,40]", "ensemble.members=9")
REMEDIES = (
    "restore it",
    "move it away",
    "move the store away",
    "action=verify",
    "choose another",
    "compute it again",
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory, small_tiles):
    """A store as it was when it was made, when it had more points, when it had also more members; and another's."""
    folder = tmp_path_factory.mktemp("stores")
    fill(folder / "small")
    copied(folder / "small", folder / "points")
    fill(folder / "points", *MORE_POINTS)
    copied(folder / "points", folder / "grown")
    fill(folder / "grown", *LARGE)
    for name in ("small", "points", "grown"):
        open_store(folder / name).log_run("000001", RECORD)
    copied(folder / "grown", folder / "waiting")
    fill(folder / "waiting", *LARGER, most=5, file=False)
    fill(folder / "other", *LARGE, "ensemble.seed=2")
    return folder


RECORD = {
    "command": "none", "started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:00:01+00:00",
    "state": "complete", "blocks_computed": 1, "failed": [], "config": {"figures": {"draw": [FIGURE]},
    "store": {"suffix": ""}},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the store that is looked at is, again and again: requests are composed once for all."""
    return tmp_path_factory.mktemp("looked")


@pytest.fixture
def the_store(stores, folder):
    """A fresh copy of a store, the grown one if nothing is said."""
    return lambda name="grown": copied(stores / name, folder / "tiny.zarr")


@pytest.fixture
def looks(folder, main, drawn):
    """Ways to look at the store: name → function, which returns what it says where it refuses."""

    def ended(overrides):
        found = main(arguments(folder, *overrides) if overrides[0] != "alone" else overrides[1:])
        assert found.code in (COMPLETE, CONFIG_WRONG, BLOCKS_FAILED, INTERRUPTED)
        assert "Traceback" not in found.err
        assert (found.err == "") == (found.code == COMPLETE) or found.code == INTERRUPTED, found
        assert all(line.startswith("error: ") for line in found.err.splitlines())
        return found.err if found.code in (CONFIG_WRONG, BLOCKS_FAILED) else ""

    alone = f"path={folder / 'tiny.zarr'}"
    return {
        "open_sweep": lambda: told_of(partial(read_all, folder / "tiny.zarr")),
        "status": lambda: ended(["action=status", *LARGE]),
        "status of the store alone": lambda: ended(["alone", "action=status", alone]),
        "figures": lambda: ended(["action=figures", *LARGE, f"figures.draw=[{FIGURE}]"]),
        "figures of the store alone": lambda: ended(
            ["alone", "action=figures", alone, f"figures.draw=[{FIGURE}]"]
        ),
        "a run with nothing to compute": lambda: ended(["action=run", *LARGE, f"figures.draw=[{FIGURE}]"]),
        "a run that grows": lambda: ended(["action=run", *LARGER, f"figures.draw=[{FIGURE}]"]),
    }


READING = (
    "open_sweep",
    "figures",
    "figures of the store alone",
    "a run with nothing to compute",
    "a run that grows",
)
"""Looks that show numbers; the others tell of what is there."""


def assert_told(told, *files):
    """Assert that what is told names one of some files, in one line, and says what to do."""
    assert len(told.splitlines()) == 1, told
    assert any(file in told for file in files), (told, files)
    assert any(remedy in told for remedy in REMEDIES), told


# --- what can happen to a file ------------------------------------------------------------------------------


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def prolong(path):
    path.write_bytes(path.read_bytes() + b"\0")


def turn_to_text(path):
    path.write_bytes(b"no store \xff\n")


def put_a_folder(path):
    path.unlink()
    path.mkdir()


def put_a_fifo(path):
    path.unlink()
    os.mkfifo(path)


def put_a_dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def put_a_circular_link(path):
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = [
    remove, empty, cut, prolong, turn_to_text, put_a_folder, put_a_fifo, put_a_dangling_link, put_a_circular_link,
]  # fmt: skip


def names_of(store):
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


def is_needed(name):
    """Whether numbers or their names hang on a file."""
    return not name.startswith("runs/") or name == "runs/zarr.json"


def sampled(cases, most):
    """All cases if slow tests are asked for; some of them, always the same, else."""
    some = random.Random(1).sample(cases, min(most, len(cases)))
    return [pytest.param(*case, marks=() if case in some else pytest.mark.slow) for case in cases]


KINDS = [
    "zarr.json", "T/zarr.json", "T/c.0", "T/c.1", "mode/c.0", "n/c.1", "point_id/c.0", "point_id/c.3", "asked/c.0",
    "asked/zarr.json", "iteration/c.0", "iteration/zarr.json", "site/c.0", "site_at/c.0.0", "site_at/c.2.0",
    "value/zarr.json", "value/c.0.0", "value/c.1.1", "path/zarr.json", "path/c.0.0.0", "path/c.2.1.0",
    "profile/c.1.0.0", "status/zarr.json", "status/c.0.0", "status/c.2.1", "hashes/zarr.json", "hashes/c.0.0.0",
    "digest/c.0.0", "digest/zarr.json", "code/c.1.0", "machine/c.0.1", "seconds/c.2.0", "runs/zarr.json",
    "pending/zarr.json",
]  # fmt: skip
"""Files of each kind."""


@pytest.mark.parametrize(("name", "damage"), sampled([(name, damage) for name in KINDS for damage in DAMAGES], 24))
def test_a_file_that_is_lost_or_damaged_or_no_file_is_told_whoever_looks(name, damage, the_store, looks, stores):
    store = the_store()
    damage(store / name)
    for look, see in looks.items():
        told = see()
        assert told or (look not in READING and damage in (empty, cut, prolong, turn_to_text)), look
        if told:
            assert_told(told, name, *([str(store)] if name == "zarr.json" else []))
    _put_back(store / name, stores / "grown" / name)
    assert read_all(store)["status"].values.all()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_record_of_a_run_that_cant_be_read_keeps_no_numbers_back(damage, the_store, looks):
    store = the_store()
    damage(store / "runs" / "000001.json")
    assert not looks["open_sweep"]()
    assert not looks["figures"]()
    told = looks["status"]()
    assert bool(told) == (damage is not remove)
    if told:
        assert_told(told, "runs/000001.json")


# --- files in the place of others ----------------------------------------------------------------------------


def swapped(store, one, other):
    aside = store / "aside"
    (store / one).rename(aside)
    (store / other).rename(store / one)
    aside.rename(store / other)


SWAPS = [
    *((f"{name}/c.0.0{end}", f"{name}/c.1.0{end}") for name, end in (
        ("value", ""), ("path", ".0"), ("profile", ".0"), ("status", ""), ("hashes", ".0"), ("digest", ""))),
    *((f"{name}/c.2.0{end}", f"{name}/c.2.1{end}") for name, end in (
        ("value", ""), ("path", ".0"), ("status", ""), ("hashes", ".0"), ("digest", ""))),
    ("T/c.0", "T/c.1"), ("n/c.0", "n/c.1"), ("mode/c.0", "mode/c.3"),
    ("point_id/c.0", "point_id/c.2"), ("site_at/c.0.0", "site_at/c.1.0"), ("path/c.0.0.0", "profile/c.0.0.0"),
    ("digest/c.0.0", "code/c.0.0"), ("n/c.0", "asked/c.0"),
    ("value/zarr.json", "path/zarr.json"), ("seconds/zarr.json", "value/zarr.json"), ("zarr.json", "T/zarr.json"),
    ("runs/zarr.json", "zarr.json"), ("value/c.0.0", "seconds/c.0.0"), ("T/c.0", "n/c.0"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), sampled(SWAPS, 10))
def test_two_files_in_the_place_of_each_other_give_no_number_under_another_name(
    one, other, the_store, looks, stores
):
    store = the_store()
    swapped(store, one, other)
    _assert_no_wrong_number(looks, (one, other), store)
    swapped(store, one, other)


def _assert_no_wrong_number(looks, files, store):
    """Assert that every look that shows numbers refuses, and that others refuse or tell what is true."""
    for look, see in looks.items():
        told = see()
        assert told or look not in READING, look
        if told:
            assert_told(told, *files, *([str(store)] if "zarr.json" in files else []))


def test_entries_of_code_that_were_exchanged_are_told_by_every_look(the_store, looks):
    store = the_store()
    swapped(store, "code/c.0.0", "machine/c.0.0")
    for look, see in looks.items():
        assert "code/c.0.0" in see(), look
    swapped(store, "code/c.0.0", "machine/c.0.0")
    assert not looks["a run with nothing to compute"]()


def _put_back(path, source):
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
    shutil.copyfile(source, path)


def common(stores, older):
    """Files of the grown store that were there before it grew, with other content."""
    return [
        name
        for name in names_of(stores / older)
        if (stores / "grown" / name).exists()
        and (stores / older / name).read_bytes() != (stores / "grown" / name).read_bytes()
        and is_needed(name)
    ]


@pytest.mark.parametrize("older", ["small", "points", "other"])
@pytest.mark.parametrize(
    "part", [3, *(pytest.param(part, marks=pytest.mark.slow) for part in range(24) if part != 3)]
)
def test_any_file_from_an_older_copy_or_another_store_gives_no_wrong_number(older, part, the_store, looks, stores):
    for name in common(stores, older)[part::24]:
        store = the_store()
        shutil.copyfile(stores / older / name, store / name)
        for look, see in looks.items():
            told = see()
            if told:
                assert_told(told, name, "zarr.json", "digest/", "T/", "point_id/", "asked/"), name
            elif look in READING[:3]:
                dataset = read_all(store)
                assert dataset.sizes["member"] == 7, (look, name)
                assert dataset["status"].values.all(), (look, name)


def copy_into(store, names, source):
    for name in names:
        shutil.copyfile(source / name, store / name)


@pytest.mark.parametrize("older", ["small", "points"])
def test_an_older_copy_of_the_root_is_told(older, the_store, looks, stores):
    store = the_store()
    copy_into(store, ["zarr.json"], stores / older)
    for look, see in looks.items():
        assert_told(see(), "zarr.json"), look


@pytest.mark.parametrize("older", ["small", "points"])
def test_an_older_copy_of_the_members_asked_for_hides_none_of_them(older, the_store, looks, stores):
    store = the_store()
    copy_into(store, ["asked/c.0"], stores / older)
    for see in looks.values():
        assert_told(see(), "asked/c.0")


@pytest.mark.parametrize("names", [["T/c.0"], ["T/c.0", "T/c.1", "T/c.2", "T/c.3"]])
def test_swept_values_that_are_written_in_another_order_are_told(names, the_store, looks):
    store = the_store()
    for name in names:
        values = decoded((store / name).read_bytes(), "<f8", (3,))
        (store / name).write_bytes(encoded(15 - values))
    for see in looks.values():
        assert_told(see(), *names)


@pytest.mark.parametrize(
    "name", ["runs", "pending", "T", "mode", "asked", "digest", "hashes", "site_at", "value", "path"]
)
def test_a_folder_that_is_lost_or_empty_or_another_is_told(name, the_store, looks, stores):
    for after in ("lost", "empty", "file", "link", "older"):
        store = the_store()
        shutil.rmtree(store / name)
        if after == "empty":
            (store / name).mkdir()
        elif after == "file":
            (store / name).touch()
        elif after == "link":
            (store / name).symlink_to("nowhere")
        elif after == "older":
            shutil.copytree(stores / "small" / name, store / name)
        for look, see in looks.items():
            told = see()
            if after != "older" or name not in ("runs", "pending"):
                (
                    assert_told(
                        told, f"{name}/", f"{store}: expected the folder of a store", "digest/", "T/", "asked/"
                    ),
                    look,
                )
        if not told_of(partial(read_all, store)):
            assert after == "older"


# --- metadata that was edited -----------------------------------------------------------------------------------

EDITS = {
    "data_type": "float32", "attributes": {"scale_factor": 2.0}, "fill_value": 7, "codecs": [], "shape": [1, 1],
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1]}}, "dimension_names": ["member", "point"],
    "zarr_format": 2, "node_type": "group", "chunk_key_encoding": {"name": "default"}, "extra": 1,
    "storage_transformers": [{}],
}  # fmt: skip


@pytest.mark.parametrize(
    "array", ["value", pytest.param("T", marks=pytest.mark.slow), pytest.param("digest", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("key", EDITS)
def test_metadata_that_was_edited_is_told(key, array, the_store, looks):
    store = the_store()
    file = store / array / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: EDITS[key]}))
    for see in looks.values():
        assert_told(see(), f"{array}/zarr.json")


@pytest.mark.parametrize(
    "attributes", [{"add_offset": 1.0}, {"_FillValue": 1}, {"units": "other"}, {"coordinates": "x"}, 3, None]
)
def test_attributes_that_were_edited_are_told(attributes, the_store, looks):
    store = the_store()
    file = store / "value" / "zarr.json"
    told = json.loads(file.read_text())
    told["attributes"] = told["attributes"] | attributes if isinstance(attributes, dict) else attributes
    file.write_text(json.dumps(told))
    assert_told(looks["open_sweep"](), "value/zarr.json")
    assert_told(looks["status"](), "value/zarr.json")


EXTENTS = [
    {"points": 10**12}, {"points": 10**8}, {"points": -1}, {"points": 0}, {"points": "5"}, {"points": True},
    {"points": 1.5}, {"points": None}, {"blocks": -1}, {"blocks": 10**12}, {"blocks": 10**7}, {"blocks": []},
    {"tile": [0, 2]},
    {"tile": [2, -2]}, {"tile": [2]}, {"tile": 2}, {"tile": [10**9, 10**9]}, {"tile": [1, 1]}, {"axes": []},
    {"axes": [{}]}, {"dimensions": []}, {"variables": []}, {"variables": None}, {"hashed": []}, {"schema": "3"},
    {"schema": 10**30},
    {"fingerprint": {}}, {"sweep_id": 3},
]  # fmt: skip


@pytest.mark.parametrize("edit", EXTENTS, ids=str)
@pytest.mark.parametrize("right", [True, False])
def test_a_root_that_was_edited_is_told_even_with_a_right_checksum(edit, right, the_store, looks):
    store = the_store()
    told = json.loads((store / "zarr.json").read_text())
    told["attributes"] |= edit
    if right:
        told["attributes"]["checksum"] = _checksum(told["attributes"])
    (store / "zarr.json").write_text(json.dumps(told))
    for look in ("open_sweep", "status of the store alone"):
        told = looks[look]()
        if edit != {"hashed": []} or not right:
            assert len(told.splitlines()) == 1, look
            assert str(store) in told


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"null", b"3", b"[]", b"{}", b'{"attributes": 3}', b"\xef\xbb\xbf{}"]
)
@pytest.mark.parametrize("name", ["zarr.json", "T/zarr.json", "runs/zarr.json", "runs/000001.json"])
def test_documents_of_another_kind_are_told(name, content, the_store, looks):
    store = the_store()
    (store / name).write_bytes(content)
    for look in ("status", "status of the store alone"):
        assert_told(looks[look](), name, str(store))


@pytest.mark.parametrize("size", [10**6, 10**10, 10**15, 2**63, 2**64 - 1])
@pytest.mark.parametrize("name", ["T/c.0", "mode/c.0", "value/c.0.0", "digest/c.0.0"])
def test_a_chunk_that_claims_to_be_huge_takes_no_memory(name, size, the_store, looks):
    store = the_store()
    frame = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + struct.pack("<Q", size) + bytes([1, 0, 0])
    assert zstandard.get_frame_parameters(frame).content_size == size
    (store / name).write_bytes(checked(frame))
    assert_told(looks["open_sweep"](), name)


# --- links, and whole stores --------------------------------------------------------------------------------


def test_links_to_the_right_files_are_followed(the_store, looks, stores):
    store = the_store()
    for name in KINDS:
        (store / name).unlink()
        (store / name).symlink_to(stores / "grown" / name)
    assert read_all(store)["status"].values.all()
    for see in looks.values():
        assert not see()
    assert read_all(store)["status"].values.all()
    assert read_all(stores / "grown")["status"].values.all()


def test_a_store_copied_into_another_gives_no_wrong_number(the_store, looks, stores):
    for part in range(2, 60, 9):
        store = the_store()
        names = names_of(stores / "other")
        copy_into(store, [name for name in names[::part] if (store / name).exists()], stores / "other")
        for see in looks.values():
            told = see()
            assert len(told.splitlines()) <= 1
    store = the_store()
    shutil.copytree(stores / "other", store, dirs_exist_ok=True)
    assert "seed" in looks["status"]()


def test_files_that_do_not_belong_to_a_store_change_nothing(the_store, looks, stores):
    store = the_store()
    for name in ("value/c.9.9", "value/c.x", "digest/c.07.0", "pending/0-0", "x.zarr.creating-new", "runs/0001.json",
                 "pending/00-1", "pending/0123456789abcdef-99999999999999999999", "value/c.0.0.0.partial"):  # fmt: skip
        (store / name).write_bytes(b"something")
    (store / "value" / "c").mkdir()
    for see in looks.values():
        assert not see()
    assert (store / "x.zarr.creating-new").exists()
    assert read_all(store)["status"].values.all()


def test_blocks_that_wait_and_are_lost_or_of_another_store_count_as_absent(the_store, looks, stores):
    store = the_store("waiting")
    names = sorted(path.name for path in (store / "pending").iterdir() if path.name != "zarr.json")
    assert len(names) == 5
    first, second, third, fourth, fifth = (store / "pending" / name for name in names)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    cut(third)
    put_a_fifo(fourth)
    put_a_dangling_link(fifth)
    dataset = read_all(store)
    assert int((dataset["status"] == 0).sum()) == int((read_all(stores / "waiting")["status"] == 0).sum()) + 10
    for see in looks.values():
        assert not see()
    assert read_all(store).sizes["member"] == 9

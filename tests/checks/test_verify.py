"""Verifying: whatever happens to a file of a block is found, named and mended; sound blocks are left alone."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.provenance import machine
from pipeline.request import define
from pipeline.store import Block, note_machine, only_driver, open_store, read_block, write_block
from pipeline.store.chunks import index_size, shard_index
from tests.command import elsewhere, tiny
from tests.contents import assert_same_values, files, fill

VERIFY = ("action=verify", "verify.sample=0")


def here(root, *overrides):
    """The arguments of the tiny sweep, blocks computed and checked in this process."""
    return elsewhere(root, "cluster=serial", *overrides)


@pytest.fixture(scope="module")
def template(tmp_path_factory, configure):
    root = tmp_path_factory.mktemp("verify")
    fill(define(configure(root)), root / "kuramoto_T.zarr")
    return root / "kuramoto_T.zarr"


@pytest.fixture
def path(template, tmp_path):
    return shutil.copytree(template, tmp_path / "kuramoto_T.zarr")


@pytest.mark.parametrize("request_", [here, tiny])
def test_a_sound_store_is_found_sound_and_left_alone(request_, path, tmp_path, main):
    before = files(path)
    ended = main(request_(tmp_path, *VERIFY, "verify.sample=3"))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "6 blocks to check, 3 of them to compute again" in ended.out
    assert ended.out.endswith("all blocks are as they should be\n")
    after = files(path)
    assert after.pop("runs/checks/verify.json")  # what it said
    assert after == before


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


DAMAGE = {
    "flipped": _flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-3]),
    "lost": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["order_parameter", "final_error", "hashes", "digest", "code"])
def test_a_damaged_file_is_named_and_repaired(name, damage, path, template, tmp_path, main):
    array = open_store(path).layout.arrays[name]
    DAMAGE[damage](path / array.file(0))
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == BLOCKS_FAILED
    assert any(line.startswith("damaged: ") and array.file(0) in line for line in ended.out.splitlines())
    assert ended.out.endswith("wrong; verify.repair=true computes what is wrong again\n")
    if (path / array.file(0)).is_dir():
        refused = main(here(tmp_path, *VERIFY, "verify.repair=true"))
        assert refused.code == CONFIG_WRONG
        assert f"{path / array.file(0)}: no regular file: move it away" in refused.err
        (path / array.file(0)).rmdir()
    assert main(here(tmp_path, *VERIFY, "verify.repair=true")).code == COMPLETE
    assert main(here(tmp_path, *VERIFY)).code == COMPLETE
    assert_same_values(path, template)


def test_one_damaged_block_of_a_file_costs_no_other(path, template, tmp_path, main):
    store = open_store(path)
    file, count = path / "weight" / "c.0.0.0", int(np.prod(store.layout.tile))
    content = bytearray(file.read_bytes())
    row = store.points().index((2.0,))
    start, length = shard_index(bytes(content[-index_size(count) :]), count)[row * store.layout.tile[1]]
    content[start + length // 2] ^= 0x10
    file.write_bytes(content)
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == BLOCKS_FAILED
    first, last = ended.out.splitlines()[1:]
    assert first.startswith("damaged: T=2, block 0: weight/c.0.0.0: ")
    assert last == "1 block is wrong; verify.repair=true computes what is wrong again"
    repaired = main(here(tmp_path, *VERIFY, "verify.repair=true"))
    assert repaired.code == COMPLETE
    assert "computed 1 block in" in repaired.out
    assert_same_values(path, template)


def test_blocks_of_a_file_that_was_exchanged_are_told_in_one_line(path, configure, tmp_path, main):
    """A file of the same variable of other members, as a copy of another store has it."""
    other = tmp_path / "other" / "kuramoto_T.zarr"
    fill(define(configure(tmp_path / "other", "ensemble.seed=2")), other)
    shutil.copyfile(other / "final_error" / "c.0.0", path / "final_error" / "c.0.0")
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == BLOCKS_FAILED
    line, last = ended.out.splitlines()[1:]
    assert line.startswith("damaged: T=1, block 0; T=1, block 1; T=2, block 0; T=2, block 1; and 2 blocks more: ")
    assert "final_error/c.0.0: it was exchanged" in line
    assert last.startswith("6 blocks are wrong; ")


def test_a_store_without_its_root_is_told_to_be_restored_by_every_action(path, tmp_path, main):
    (path / "zarr.json").unlink()
    before = files(path)
    for action in ("status", "run", "figures", "explain", "verify"):
        ended = main(here(tmp_path, f"action={action}"))
        assert ended.code == BLOCKS_FAILED, action
        assert ended.err.startswith(f"error: {path}/zarr.json: lost; "), action
        assert "restore it from a copy" in ended.err
    assert files(path) == before


def test_edited_metadata_is_named_and_mended(path, template, tmp_path, main):
    document = path / "final_error" / "zarr.json"
    sound = document.read_bytes()
    document.write_text(document.read_text().replace('"units": "1"', '"units": "1", "scale_factor": 2'))
    assert document.read_bytes() != sound
    for action in ("status", "run", "figures"):
        ended = main(here(tmp_path, f"action={action}"))
        assert ended.code == BLOCKS_FAILED
        assert "final_error/zarr.json" in ended.err
    assert main(here(tmp_path, *VERIFY)).code == BLOCKS_FAILED
    repaired = main(here(tmp_path, *VERIFY, "verify.repair=true"))
    assert repaired.code == COMPLETE
    assert f"mended: {document}: " in repaired.out
    assert repaired.out.splitlines()[-1] == "all blocks are as they should be"
    assert document.read_bytes() == sound
    assert_same_values(path, template)


def test_no_figure_is_drawn_from_a_damaged_file(path, tmp_path, main):
    _flip(path / "fixed_order_parameter" / "c.0.0")
    ended = main(here(tmp_path, "action=figures", "figures.draw=[kuramoto_T]"))
    assert ended.code == BLOCKS_FAILED
    (line,) = ended.err.splitlines()
    assert line.startswith(f"error: {path}/fixed_order_parameter/c.0.0: can't be read: its checksum does not fit")
    assert line.endswith("see action=verify")
    assert not (tmp_path / "figures" / "kuramoto_T.png").exists()


def test_a_repair_waits_for_no_other_driver(path, tmp_path, main):
    _flip(path / "final_error" / "c.0.0")
    before = files(path)
    with only_driver(path):
        ended = main(here(tmp_path, *VERIFY, "verify.repair=true"))
    assert ended.code == INTERRUPTED
    assert "another driver is at work on it" in ended.err
    assert {name: kept for name, kept in files(path).items() if name != "runs/lock"}.items() <= before.items()


def test_a_block_that_is_not_what_would_be_computed_today_is_named_with_what_has_changed(path, tmp_path, main):
    """A number changed, and its digest with it; another machine, and other code."""
    store = open_store(path)
    row = store.points().index((2.0,))
    values = read_block(store, row, 0)
    values["final_error"] = values["final_error"] + 0.25 * (np.arange(8) == 3)
    there = machine()
    there["versions"] = {**there["versions"], "numpy": "1.26.4"}
    there["cpu"] = {**there["cpu"], "name": "abacus"}
    note_machine(path, 77, there)
    write_block(store.location, Block(int(store.ids[row]), 0, 5, 77, 0.1, {}), values)
    ended = main(here(tmp_path, *VERIFY, "verify.sample=null", "verify.share=1.0"))
    assert ended.code == BLOCKS_FAILED
    (line,) = [line for line in ended.out.splitlines() if line.startswith("differs: ")]
    assert line.startswith("differs: T=2, block 0: final_error differs in 1 of 8 numbers, by 0.25 at most")
    assert "changed since it was computed: code, numpy 1.26.4, now " in line
    assert "processor abacus, now " in line
    assert main(here(tmp_path, *VERIFY)).code == COMPLETE  # its digest fits


def test_a_share_of_the_blocks_is_rounded_up_and_the_seed_chooses(path, tmp_path, main):
    share = ("verify.sample=null", "verify.share=0.2", "verify.seed=1")
    assert "2 of them to compute again" in main(here(tmp_path, *VERIFY, *share)).out


@pytest.mark.parametrize("wrong", [["verify.share=0.5"], ["verify.sample=-1"], ["verify.share=2"]])
def test_a_wrong_measure_is_refused(wrong, path, tmp_path, main):
    arguments = [argument for argument in VERIFY if not argument.startswith(wrong[0].split("=")[0])]
    assert main(here(tmp_path, *arguments, *wrong)).code == CONFIG_WRONG


def test_there_has_to_be_a_store(tmp_path, main):
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == CONFIG_WRONG
    assert "expected a store, got nothing there" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_an_axis_that_can_not_be_read_is_told_and_nothing_touched(path, tmp_path, main):
    _flip(path / "T" / "c.0")
    before = files(path)
    ended = main(here(tmp_path))
    assert ended.code == BLOCKS_FAILED
    (line,) = ended.err.splitlines()
    assert "T/c.0" in line
    assert "restore it from a copy" in line
    assert {name: kept for name, kept in files(path).items() if name != "runs/lock"}.items() <= before.items()


def test_workers_that_note_the_same_machine_at_the_same_time_do_not_disturb_each_other(tmp_path):
    (tmp_path / "runs").mkdir()
    for turn in range(20):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: note_machine(tmp_path, turn, {"cpu": "abacus"}), range(8)))  # noqa: B023
        noted = json.loads((tmp_path / "runs" / "machines" / f"{turn:016x}.json").read_text())
        assert noted["cpu"] == "abacus"

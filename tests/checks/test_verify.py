"""Verifying: whatever happens to a file of a block is found, named and mended; sound blocks are left alone."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zarr

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG, Damaged
from pipeline.provenance import machine
from pipeline.request import define
from pipeline.store import note_machine, open_store, read_block, write_block
from pipeline.store.blocks import BOOKKEEPING
from tests.command import elsewhere, tiny
from tests.contents import assert_same_values, block_files, files, fill

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
    assert files(path) == before


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


DAMAGE = {
    "flipped": _flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-3]),
    "emptied": lambda file: file.write_bytes(b""),
    "lost": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("variable", ["order_parameter", "final_error", "status"])
def test_a_damaged_chunk_is_named_and_repaired(variable, damage, path, template, tmp_path, main):
    chunk = next(file for file in sorted((path / variable / "c" / "1").rglob("*")) if file.is_file())
    DAMAGE[damage](chunk)
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == BLOCKS_FAILED
    first, last = ended.out.splitlines()[1:]
    assert first.startswith("damaged: T=2, block 0: ")
    assert last == "1 blocks are wrong; verify.repair=true computes them again"
    sound = {name: kept for name, kept in block_files(path).items() if "/c/1/0" not in name}
    assert main(here(tmp_path, *VERIFY, "verify.repair=true")).code == COMPLETE
    assert {name: kept for name, kept in block_files(path).items() if "/c/1/0" not in name} == sound
    assert main(here(tmp_path, *VERIFY)).code == COMPLETE
    assert_same_values(path, template)


def test_no_flipped_byte_of_any_chunk_of_a_block_gives_a_wrong_number(path):
    """Every byte in turn, of one block: reading fails or gives the very numbers that were there."""
    store = open_store(path)
    location = store.location
    sound = read_block(location, 1, 0)
    group = zarr.open_group(path, mode="r", use_consolidated=False)
    chunks = [file for name in [*sound, *BOOKKEEPING] for file in (path / name / "c" / "1").rglob("*")
              if file.is_file() and file.relative_to(path / name / "c" / "1").parts[0] == "0"]  # fmt: skip
    assert len(chunks) >= len(sound) + len(BOOKKEEPING)
    flips = 0
    for file in chunks:
        whole = file.read_bytes()
        name = file.relative_to(path).parts[0]
        for k in range(0, len(whole), max(1, len(whole) // 60)):  # every byte of short chunks
            file.write_bytes(whole[:k] + bytes([whole[k] ^ (1 << (k % 8))]) + whole[k + 1 :])
            flips += 1
            if name in ("code", "machine", "seconds"):
                with pytest.raises(ValueError, match="checksum"):
                    group[name][1, 0]
                assert store.bookkeeping(name)[1, 0] == 0
            else:
                with pytest.raises(Damaged):
                    read_block(location, 1, 0)
        file.write_bytes(whole)
    assert flips > 300
    again = read_block(location, 1, 0)
    assert all(again[name].tobytes() == sound[name].tobytes() for name in sound)


def test_no_figure_is_drawn_from_a_damaged_chunk(path, tmp_path, main):
    _flip(path / "final_error" / "c" / "1" / "0")
    _flip(path / "final_order_parameter" / "c" / "1" / "0")
    ended = main(here(tmp_path, "action=figures", "figures.draw=[kuramoto_T]"))
    assert ended.code == BLOCKS_FAILED
    (line,) = ended.err.splitlines()
    assert line.startswith(f"error: {path}: final_order_parameter can't be read: ")
    assert "checksum" in line
    assert line.endswith("; find and mend it with action=verify")
    assert not (tmp_path / "figures" / "kuramoto_T.png").exists()


def test_a_chunk_of_another_block_is_no_substitute(path, tmp_path, main):
    shutil.copy(path / "weight" / "c" / "0" / "0" / "0", path / "weight" / "c" / "1" / "0" / "0")
    ended = main(here(tmp_path, *VERIFY))
    assert ended.code == BLOCKS_FAILED
    assert "damaged: T=2, block 0: its bytes are not those its digest was made of" in ended.out


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_block_whose_digest_is_damaged_is_computed_again_by_the_next_run(damage, path, template, tmp_path, main):
    DAMAGE[damage](path / "digest" / "c" / "1" / "0")
    why = "1 not computed yet" if damage == "lost" else "1 damaged"
    assert f"to compute  {why}\n" in main(here(tmp_path, "action=explain")).out
    assert "1 of 6 blocks to compute" in main(here(tmp_path)).out
    assert_same_values(path, template)


def test_a_block_that_is_not_what_would_be_computed_today_is_named_with_what_has_changed(path, tmp_path, main):
    """A number changed, and its digest with it; another machine, and other code."""
    store = open_store(path)
    location = store.location
    values = read_block(location, 1, 0)
    values["final_error"][3] += 0.25
    there = machine()
    there["versions"] = {**there["versions"], "numpy": "1.26.4"}
    there["cpu"] = {**there["cpu"], "name": "abacus"}
    note_machine(path, f"{77:016x}", there)
    write_block(location, 1, 0, values, 5, 0.1, 77)
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
    _flip(next(Path(path / "T" / "c").iterdir()))
    before = files(path)
    ended = main(here(tmp_path))
    assert ended.code == CONFIG_WRONG
    assert "the values of its axes can't be read" in ended.err
    assert files(path) == before


def test_workers_that_note_the_same_machine_at_the_same_time_do_not_disturb_each_other(tmp_path):
    zarr.create_group(tmp_path / "machines", zarr_format=3)
    for turn in range(20):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: note_machine(tmp_path, f"{turn:016x}", {"cpu": "abacus"}), range(8)))  # noqa: B023
        assert zarr.open_group(tmp_path / "machines" / f"{turn:016x}", mode="r").attrs["cpu"] == "abacus"

"""Merging: blocks of a store of the same sweep are taken over, checked, and none is computed twice."""

import numpy as np
import pytest

from pipeline.errors import BLOCKS_FAILED, COMPLETE, CONFIG_WRONG
from pipeline.request import define
from pipeline.store import open_store
from pipeline.store.chunks import index_size, shard_index
from tests.command import elsewhere, tiny
from tests.contents import assert_same_values, block_bytes, digests, files, fill


@pytest.fixture
def parts(configure, tmp_path):
    """Two stores of the tiny sweep with some points in common, and their folders."""
    here, there = tmp_path / "here", tmp_path / "there"
    fill(define(configure(here, "axes.T.values=[1,2]", "ensemble.members=8")), here / "kuramoto_T.zarr")
    fill(define(configure(there, "axes.T.values=[3,2]", "ensemble.members=16")), there / "kuramoto_T.zarr")
    return here, there / "kuramoto_T.zarr"


def numbers_and_records(here):
    """Every file of a store but the one that says who drives it."""
    return {name: kept for name, kept in files(here / "kuramoto_T.zarr").items() if name != "runs/lock"}


def merged(here, source):
    return tiny(here, "action=merge", f"source={source}", "axes.T.values=[1,2]", "ensemble.members=8")


def test_blocks_are_taken_over_and_what_was_there_stays(parts, configure, tmp_path, main):
    here, source = parts
    before, theirs = block_bytes(here / "kuramoto_T.zarr"), files(source)
    ended = main(merged(here, source))
    assert (ended.code, ended.err) == (COMPLETE, "")
    assert "3 blocks taken over" in ended.out
    assert "1 were there already" in ended.out
    after = block_bytes(here / "kuramoto_T.zarr")
    assert {where: after[where] for where in before} == before
    assert files(source) == theirs
    assert "1 of 6 blocks to compute" in main(elsewhere(here, "cluster=serial")).out  # T=1, members 8 … 15
    fill(define(configure(tmp_path)), tmp_path / "whole.zarr")
    assert_same_values(here / "kuramoto_T.zarr", tmp_path / "whole.zarr")
    runs = open_store(here / "kuramoto_T.zarr").runs()
    assert [run["state"] for run in runs] == ["merged", "ended"]
    assert runs[0]["source"] == str(source)


def test_merging_twice_takes_nothing(parts, main):
    here, source = parts
    main(merged(here, source))
    before = block_bytes(here / "kuramoto_T.zarr")
    assert "0 blocks taken over" in main(merged(here, source)).out
    assert block_bytes(here / "kuramoto_T.zarr") == before


def test_a_merge_into_nothing_is_a_copy(parts, tmp_path, main):
    _, source = parts
    main(tiny(tmp_path / "new", "action=merge", f"source={source}", "axes.T.values=[2,3]"))
    assert_same_values(tmp_path / "new" / "kuramoto_T.zarr", source)


def test_a_damaged_block_is_left_out_and_named(parts, main):
    here, source = parts
    store = open_store(source)
    weight = store.layout.arrays["weight"]
    file = source / weight.file(0)
    content = file.read_bytes()
    index = shard_index(content[-index_size(np.prod(store.layout.tile)) :], np.prod(store.layout.tile))
    row = store.points().index((3.0,))
    start, length = index[row * store.layout.tile[1] + 1]
    flipped = content[start + length // 2] ^ 1
    file.write_bytes(content[: start + length // 2] + bytes([flipped]) + content[start + length // 2 + 1 :])
    ended = main(merged(here, source))
    assert ended.code == BLOCKS_FAILED
    assert "2 blocks taken over" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: T=3, block 1: ")
    assert "weight/c.0.0.0" in line
    assert len(digests(here / "kuramoto_T.zarr")) == 4


def test_a_source_that_lost_a_file_is_refused_and_nothing_touched(parts, main):
    here, source = parts
    (source / "final_error" / "c.0.0").unlink()
    before = numbers_and_records(here)
    ended = main(merged(here, source))
    assert ended.code == BLOCKS_FAILED
    (line,) = ended.err.splitlines()
    assert "final_error/c.0.0" in line
    assert numbers_and_records(here) == before


@pytest.mark.parametrize(
    ("different", "key"),
    [
        ("settings.eta=4", "settings.eta"),
        ("ensemble.seed=2", "ensemble.seed"),
        ("store.records=6", "store.records"),
    ],
)
def test_another_sweep_is_refused_and_nothing_touched(different, key, parts, configure, tmp_path, main):
    here, _ = parts
    other = tmp_path / "other" / "kuramoto_T.zarr"
    fill(define(configure(tmp_path / "other", different)), other)
    before = numbers_and_records(here)
    ended = main(merged(here, other))
    assert ended.code == CONFIG_WRONG
    assert ended.err.startswith(f"error: {key}: ")
    assert ended.err.splitlines()[-1].startswith("error: source: choose the store of the same sweep")
    assert numbers_and_records(here) == before


def test_a_source_has_to_be_another_store(parts, tmp_path, main):
    here, _ = parts
    for source, expected in ((tmp_path / "nowhere", "got nothing"), (here / "kuramoto_T.zarr", "another store")):
        ended = main(merged(here, source))
        assert ended.code == CONFIG_WRONG
        assert expected in ended.err
    assert main(tiny(here, "action=merge")).code == CONFIG_WRONG

"""Errors without two nodes are those of networks that never had them."""

import json
from itertools import combinations

import numpy as np
import pytest
import xarray

from pipeline.figures.network_two_deleted import errors_without_two
from pipeline.systems import COMPUTED, DIVERGED, patterns
from tests.reference.network import error, flattened, matrices

TEXTS = ["#.#\n.#.\n#.#", "###\n#.#\n###", "..#\n.#.\n#.."]
HIDDEN, MEMBERS = 5, 4


@pytest.mark.parametrize("kind", ["square", "absolute"])
def test_errors_without_two_nodes_are_those_of_networks_that_never_had_them(kind):
    bitmaps = patterns.bitmaps(TEXTS).reshape(len(TEXTS), -1)
    inputs, outputs = bitmaps.shape[1], len(TEXTS)
    weights = np.random.default_rng(0).standard_normal((MEMBERS, HIDDEN * (inputs + 1) + outputs * (HIDDEN + 1)))
    dataset = xarray.Dataset(
        {
            "weight": (("member", "connection"), weights),
            "status": ("member", [COMPUTED, COMPUTED, DIVERGED, COMPUTED]),
        },
        attrs={"settings": json.dumps({"patterns": TEXTS, "hidden": HIDDEN, "error": kind})},
    )
    found = errors_without_two(dataset)
    assert np.isnan(found[2]).all()
    for member in (0, 1, 3):
        into_hidden, into_outputs = matrices(weights[member], inputs, HIDDEN, outputs)
        for k, pair in enumerate(combinations(range(HIDDEN), 2)):
            left = flattened(np.delete(into_hidden, pair, axis=0), np.delete(into_outputs, pair, axis=1))
            expected = error(left, bitmaps, np.eye(outputs), HIDDEN - 2, kind == "absolute")
            assert found[member, k] == pytest.approx(expected, abs=1e-12)

"""Sobol indices: right for functions whose indices are known, with intervals that cover them, whatever the noise."""

import numpy as np
import pytest

import pipeline
from pipeline.errors import RequestError
from pipeline.request.sampling import SCRAMBLINGS, Design, Range
from pipeline.search import indices_of, sensitivity, sensitivity_lines
from pipeline.systems import DIVERGED
from tests.figures.drawings import assert_readable, legend_of, panels_of, rendered

UNIT = Range(0.0, 1.0, logarithmic=False, step=None)
NOISE = 1.0
"""Standard deviation of a member's noise, in those of the function."""


def ishigami(x):
    a, b, c = np.moveaxis((2 * x - 1) * np.pi, -1, 0)
    return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)


def multiplied(x):
    return np.prod(1 + WEIGHTS * (2 * x - 1), axis=-1)


WEIGHTS = np.array([1.0, 0.5, 0.2])
PARTS = WEIGHTS**2 / 3
VARIANCE = np.prod(1 + PARTS) - 1
FUNCTIONS = {
    # Ishigami and Homma, Proc. ISUMA (1990)
    "Ishigami": (ishigami, 13.8445875, [[0.313905, 0.442411, 0], [0.557589, 0.442411, 0.243684]]),
    "product": (
        multiplied,
        VARIANCE,
        [PARTS / VARIANCE, PARTS * np.prod(1 + PARTS) / (1 + PARTS) / VARIANCE],
    ),
}
"""Name → function of (…, 3) in the unit cube, its variance and its indices, (2, 3)."""


def sampled(function, variance, members, common, seed, points):
    """(scrambling, matrix, row, member) noisy numbers; common noise moves the function along its first axis too."""
    rng = np.random.default_rng([seed, 1])
    x = np.moveaxis(Design(dict.fromkeys("abc", UNIT), points, seed).rows(), 0, 2)
    scale = NOISE * np.sqrt(variance)
    if common:
        return function(x)[..., None] + scale * rng.standard_normal(members) * (0.3 + x[..., :1])
    return function(x)[..., None] + scale * rng.standard_normal((*x.shape[:-1], members))


@pytest.mark.parametrize(
    "samples", [pytest.param(60, id="some"), pytest.param(400, id="many", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("common", [False, True], ids=["independent", "common"])
@pytest.mark.parametrize("members", [4, 8, 64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_intervals_of_indices_cover_them_as_often_as_they_say(name, members, common, samples):
    """95 % of the intervals, within four standard errors; few members share their noise are let off with 91 %."""
    function, variance, truth = FUNCTIONS[name]
    points = 512 if samples > 100 else 128
    found = [
        indices_of(sampled(function, variance, members, common, seed, points), common=common)
        for seed in range(samples)
    ]
    covered = np.mean([(low <= truth) & (truth <= high) for _, low, high in found], axis=0)
    nominal = 0.95
    assert covered.mean() > nominal - 0.02 - 4 * np.sqrt(nominal * (1 - nominal) / samples / 3)
    assert covered.min() > nominal - 0.025 - 4 * np.sqrt(nominal * (1 - nominal) / samples)
    assert covered.mean() < 0.99  # not for their width


def test_indices_are_free_of_the_noise_of_few_members():
    """A square of means over 4 members would count a quarter of their noise as the function's."""
    function, variance, truth = FUNCTIONS["Ishigami"]
    found = [indices_of(sampled(function, variance, 4, False, seed, 512), common=False) for seed in range(40)]
    estimates = np.array([one.estimate for one in found])
    error = estimates.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(estimates.mean(axis=0) - truth) < 4 * error).all()
    assert error.max() < 0.02


def test_rows_without_numbers_do_not_count():
    function, variance, _ = FUNCTIONS["product"]
    values = sampled(function, variance, 8, False, 1, 128)
    values[:, :, -1] = np.nan
    shorter = indices_of(values[:, :, :-1], common=False)
    np.testing.assert_allclose(indices_of(values, common=False).estimate, shorter.estimate, rtol=1e-12)


def test_an_estimate_that_is_the_same_everywhere_has_no_indices():
    with pytest.raises(RequestError, match="the same everywhere"):
        indices_of(np.ones((SCRAMBLINGS, 5, 4, 8)), common=False)


# --- of stored sweeps ---------------------------------------------------------------------------------------

SWEEP = (
    "system=kuramoto", "store.name=waves", "cluster=serial", "figures.draw=[]", "+scale=quick",
    "settings.iterations=40", "settings.oscillators=4", "settings.T=2", "store.records=2", "store.block_members=8",
    "ensemble.members=8", "sampling.method=sobol", "sampling.points=16",
    "settings.weight_control=0.5", "axes.target_mean_abs_weight={start: 0.5, stop: 5}",
    "axes.delay={start: 1, stop: 5}",
)  # fmt: skip


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """A small sample of a real sweep; a function that runs it with further overrides."""
    root = tmp_path_factory.mktemp("waves")
    return lambda *overrides: pipeline.run(*SWEEP, f"store.root={root}", *overrides)


def test_a_stored_sample_has_indices_of_every_axis_and_grows_when_it_is_doubled(waves):
    first = sensitivity(waves(), "final_mean_abs_weight")
    assert first["axis"].values.tolist() == ["target_mean_abs_weight", "delay"]
    assert first.attrs == {"of": "final_mean_abs_weight", "rows": 16, "rows_left_out": 0}
    assert (first["first_low"] <= first["first"]).all()
    assert (first["total"] <= first["total_high"]).all()
    doubled = waves("sampling.points=32")
    assert sensitivity(doubled, "final_mean_abs_weight").attrs["rows"] == 32
    again = waves("sampling.points=16")
    assert sensitivity(again, "final_mean_abs_weight").equals(first)


def test_what_indices_need_is_told(waves):
    dataset = waves()
    with pytest.raises(RequestError, match="at least 4 members, got 3"):
        sensitivity(dataset.isel(member=slice(3)), "final_mean_abs_weight")
    with pytest.raises(RequestError, match="all points of the design, got none at"):
        sensitivity(dataset.isel(point=slice(1, None)), "final_mean_abs_weight")
    with pytest.raises(RequestError, match="got a selection"):
        sensitivity(dataset.isel(point=0), "final_mean_abs_weight")
    with pytest.raises(RequestError, match="a mean or a share, got median"):
        sensitivity(dataset, "median_final_mean_abs_weight")
    del dataset.attrs["design"]
    with pytest.raises(RequestError, match=r"sampling\.method=sobol"):
        sensitivity(dataset, "final_mean_abs_weight")


def test_members_that_diverge_in_more_than_a_hundredth_of_the_rows_are_refused(waves):
    dataset = waves().load()
    dataset["status"][3, 2] = DIVERGED
    (line,) = sensitivity_lines(dataset, "final_mean_abs_weight")
    assert "not given: sensitivity: expected members that diverge in at most 1%" in line
    figure = rendered(pipeline.plot(dataset, "final_mean_abs_weight"))
    assert "diverge" in " ".join(text.get_text() for text in panels_of(figure)[0].texts)


def test_the_figure_shows_both_indices_of_every_axis(waves):
    figure = rendered(pipeline.plot(waves(), ["final_mean_abs_weight", "order_parameter"]))
    assert_readable(figure)
    assert legend_of(figure) == ["first order", "total, with interactions"]
    first, _ = panels_of(figure)
    assert [text.get_text() for text in first.get_xticklabels()] == ["$W$", r"$\Delta$"]
    assert {text.get_rotation() for text in first.get_xticklabels()} == {0}
    assert len(first.patches) == 4

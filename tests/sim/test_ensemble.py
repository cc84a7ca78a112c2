"""Members of all systems: none depends on its lane, on its neighbours or on the order in which they are listed."""

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import backpropagation, kuramoto, kuramoto_continuous, network
from sim.elementary import SMALL_ANGLE
from sim.ensemble import DIVERGED
from tests.reference.kuramoto import matrix

few_examples = settings(max_examples=10, deadline=None, derandomize=True)
SEED, MEMBERS = 7, 48

INTERVALS = kuramoto.Settings(
    eta=3.0, sigma=0.2, delay=3, T=2.0, dt=0.05, iterations=30, weight_control=0.1,
    target_order_parameter=0.6, target_mean_abs_weight=1.0, fixed_discarded=0.3, fixed_duration=2.0,
)  # fmt: skip
CONTINUOUS = kuramoto_continuous.Settings(
    eta=2.0, sigma=0.4, delay=0.6, T=1.0, dt=0.05, duration=10.0, weight_control=0.05,
    target_order_parameter=0.6, target_mean_abs_weight=1.0, fixed_discarded=0.3, fixed_duration=2.0,
)  # fmt: skip
NETWORK = network.Settings(
    hidden=3, eta=10.0, sigma=0.2, delay=3, iterations=100, robust_eta=0.0, robust_sigma=0.0, threshold=0.22,
    absolute_error=False,
)  # fmt: skip
ROBUST = NETWORK._replace(robust_eta=0.5, robust_sigma=0.05)
SOME_NETWORKS_DIVERGE = NETWORK._replace(eta=1000.0, sigma=0.5, delay=1, iterations=400)
# The bound on |dφ| is (1 + 0.9) dt = 0.95 SMALL_ANGLE at first, more for some members later
LARGE = INTERVALS._replace(dt=0.125)


def learn_kuramoto(chosen, oscillators, members, recorded=(5, 15)):
    frequencies = kuramoto.equidistant_frequencies(oscillators)
    return kuramoto.learn(chosen, frequencies, SEED, np.array(members), np.array(recorded), 3)


def learn_continuously(chosen, oscillators, members, recorded=(19, 150)):
    frequencies = kuramoto.equidistant_frequencies(oscillators)
    return kuramoto_continuous.learn(chosen, frequencies, SEED, np.array(members), np.array(recorded))


def some_patterns():
    return network.encode(np.random.default_rng(24).integers(0, 2, (4, 6)))


def learn_network(chosen, members, recorded=(0, 50)):
    return network.learn(chosen, some_patterns(), SEED, np.array(members), np.array(recorded))


def descend(members, recorded=(0, 49)):
    return (backpropagation.descend(3, 5.0, 50, some_patterns(), SEED, np.array(members), np.array(recorded)),)


REGIMES = {
    "kuramoto, unrolled": partial(learn_kuramoto, INTERVALS, 10),
    "kuramoto, tiled": partial(learn_kuramoto, INTERVALS, 13),
    "kuramoto, odd number of weights": partial(learn_kuramoto, INTERVALS._replace(delay=1), 3),
    "kuramoto, some steps large, unrolled": partial(learn_kuramoto, LARGE, 10),
    "kuramoto, some steps large, tiled": partial(learn_kuramoto, LARGE, 13),
    "kuramoto_continuous, unrolled": partial(learn_continuously, CONTINUOUS, 5),
    "kuramoto_continuous, tiled": partial(learn_continuously, CONTINUOUS, 13),
    "network": partial(learn_network, NETWORK),
    "network, odd number of weights": partial(learn_network, ROBUST._replace(hidden=1)),
    "network, robust": partial(learn_network, ROBUST._replace(hidden=4)),
    "network, absolute error": partial(
        learn_network, NETWORK._replace(absolute_error=True, eta=3.0, threshold=0.4)
    ),
    "back-propagation": descend,
}
WITH_DIVERGENCE = {
    "kuramoto, unrolled": partial(learn_kuramoto, INTERVALS._replace(eta=20.0, delay=2, iterations=16), 10),
    "kuramoto, tiled": partial(learn_kuramoto, INTERVALS._replace(eta=15.0, delay=2, iterations=16), 13),
    "kuramoto_continuous, unrolled": partial(learn_continuously, CONTINUOUS._replace(eta=450.0, sigma=5.0), 5),
    "kuramoto_continuous, tiled": partial(learn_continuously, CONTINUOUS._replace(eta=500.0, sigma=5.0), 13),
    "network": partial(learn_network, SOME_NETWORKS_DIVERGE),
    "network, robust": partial(learn_network, SOME_NETWORKS_DIVERGE._replace(robust_eta=1.0, robust_sigma=0.01)),
}
ALL = {**REGIMES, **{f"{name}, some diverge": learn for name, learn in WITH_DIVERGENCE.items()}}
member_numbers = st.integers(0, MEMBERS - 1)


@cache
def alone(name, member):
    """The bytes of every field of a member that is computed on its own."""
    return bytes_of(ALL[name]([member]), 0)


def bytes_of(got, row):
    return [field[row].tobytes() for field in got]


def assert_members_are_as_alone(name, members):
    got = ALL[name](members)
    for row, member in enumerate(members):
        assert bytes_of(got, row) == alone(name, member)


@cache
def diverged(name):
    """Which of all members diverge: (member,)."""
    return WITH_DIVERGENCE[name](range(MEMBERS)).status == DIVERGED


# --- the regimes are what their names say -------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_DIVERGENCE)
def test_some_blocks_have_members_that_diverge_beside_members_that_do_not(name):
    count = diverged(name).reshape(-1, 8).sum(axis=1)
    assert np.sum((count > 0) & (count < 8)) > 2


@pytest.mark.parametrize("oscillators", [10, 13])
def test_some_blocks_have_members_with_large_steps_beside_members_with_small_ones(oscillators):
    weight = learn_kuramoto(LARGE, oscillators, range(MEMBERS)).weight
    strength = np.abs(matrix(weight, oscillators)).sum(axis=-1) / oscillators
    bound = (np.abs(kuramoto.equidistant_frequencies(oscillators)) + strength).max(axis=1) * LARGE.dt
    count = (bound > SMALL_ANGLE).reshape(-1, 8).sum(axis=1)
    assert np.sum((count > 0) & (count < 8)) > 2


@pytest.mark.parametrize("name", REGIMES)
def test_members_differ_from_each_other(name):
    assert len({tuple(alone(name, member)) for member in range(8)}) == 8


# --- independence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@given(member=member_numbers, other=member_numbers, lane=st.integers(0, 7))
@few_examples
def test_a_member_does_not_depend_on_its_lane(name, member, other, lane):
    got = ALL[name]([member if k == lane else other for k in range(8)])
    assert bytes_of(got, lane) == alone(name, member)


@pytest.mark.parametrize("name", ALL)
@given(members=st.lists(member_numbers, min_size=1, max_size=20))
@few_examples
def test_a_member_does_not_depend_on_its_neighbours(name, members):
    assert_members_are_as_alone(name, members)


@pytest.mark.parametrize("name", WITH_DIVERGENCE)
@given(data=st.data())
@few_examples
def test_a_member_does_not_depend_on_neighbours_that_diverge(name, data):
    diverging, others = (np.flatnonzero(chosen).tolist() for chosen in (diverged(name), ~diverged(name)))
    members = data.draw(st.lists(st.sampled_from(diverging), min_size=7, max_size=7))
    members.insert(data.draw(st.integers(0, 7)), data.draw(st.sampled_from(others)))
    assert_members_are_as_alone(f"{name}, some diverge", members)


@pytest.mark.parametrize("name", ALL)
@given(order=st.permutations(range(20)))
@few_examples
def test_a_member_does_not_depend_on_the_order_in_which_members_are_listed(name, order):
    assert_members_are_as_alone(name, order)


@pytest.mark.parametrize("name", ALL)
def test_computing_again_gives_the_same_bytes(name):
    first, again = (ALL[name](range(9)) for _ in range(2))
    assert [field.tobytes() for field in first] == [field.tobytes() for field in again]


# --- what is refused ----------------------------------------------------------------------------------------

SYSTEMS = ["kuramoto, unrolled", "kuramoto_continuous, unrolled", "network", "back-propagation"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_nothing_to_record_is_refused(name):
    with pytest.raises(ValueError, match="expected at least one recorded iteration, got none"):
        ALL[name]([0], recorded=[])


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_members_are_refused(name):
    with pytest.raises(ValueError, match="expected at least one member, got none"):
        ALL[name]([])

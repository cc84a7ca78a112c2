"""Every key of conf/ set to nasty values: each request is refused in words about a key, or gives a sensible plan."""

import random
import re
import resource
import signal
from copy import deepcopy
from typing import NamedTuple

import pytest
from omegaconf import OmegaConf

from pipeline import actions
from pipeline.errors import COMPLETE, CONFIG_WRONG
from pipeline.request import compose

_TINY = (
    "settings.iterations=40",
    "ensemble.members=16",
    "store.block_members=8",
    "store.records=5",
    "figures.draw=[]",
)
_PRECISION = "{of: order_parameter, half_width: 0.1, confidence: 0.9, min_members: 8, max_members: 16}"
SWEEPS = {
    "a grid": (
        "+sweep=kuramoto_T",
        *_TINY,
        "axes.T.values=[1,2]",
        "settings.oscillators=3",
        "settings.frequencies=[-1,0,1]",
        f"ensemble.precision={_PRECISION}",
    ),
    "a hypercube": (
        "+sweep=kuramoto_delay",
        *_TINY,
        "cluster=serial",
        "axes={oscillators: {values: [3, 6]}, eta: {start: 1, stop: 20, num: 3, scale: log}}",
        "sampling={method: latin_hypercube, points: 4}",
    ),
    "networks": (
        "+sweep=network_evolution",
        *_TINY,
        "cluster=scheduler",
        "cluster.address='tcp://127.0.0.1:8786'",
        "axes={error: {values: [square, absolute]}, eta: {values: [1, 2]}}",
        "axes.patterns.values=[[data/patterns/vowels.txt],[data/patterns/digits.txt]]",
        "sampling.method=zip",
        "settings.threshold={from: {store: elsewhere, statistic: median_damaged_error}}",
    ),
    "without axes": (
        "+sweep=kuramoto_continuous_T",
        *_TINY,
        "~axes.T",
        "+scale=quick",
        "settings={T: 1, iterations: 40}",
        "figures.draw=[]",
        "cluster=slurm",
        "cluster.interface=lo",
        "cluster.directives=[--exclusive]",
        "cluster.setup=[module load gcc]",
    ),
}
"""Requests in whose configs every section is filled."""
VALUES = (
    "null", '""', "[]", "{}", "-1", "0", "0.5", "1e309", ".nan", "1e300", "1e-320", "x", "true", "1" + 30 * "0",
    "1000000000", "1000000", "${nope}", "y" * 5000, "[[1]]", "[x, null]", "{a: 1}", "2020-01-01", '"a\\nb"', '"\\0"',
)  # fmt: skip
"""As YAML has them."""

_CPU_SECONDS, _MEMORY = 10, 8 * 2**30
_LONGEST = 320


class TookTooLong(BaseException):
    """A request took more processor time than any may."""


class Case(NamedTuple):
    """One value at one place of a request."""

    sweep: str
    place: tuple[str | int, ...]
    value: str

    def __str__(self):
        return f"{self.sweep}: {'.'.join(map(str, self.place))}={self.value[:40]}"


def _places(node, above=()):
    """Where a config can be changed: keys with sections and with values, and entries of lists."""
    if isinstance(node, dict | list):
        for key, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*above, key)
            yield from _places(below, (*above, key))


def _composed(sweep, root):
    overrides = (*SWEEPS[sweep], f"store.root={root}", "action=explain")
    return OmegaConf.to_container(compose(overrides), resolve=False)


def all_cases():
    """Every value at every place."""
    for sweep in SWEEPS:
        for place in _places(_composed(sweep, "root")):
            if place != ("store", "root"):  # where nothing is to be written
                yield from (Case(sweep, place, value) for value in VALUES)


def _loaded(text):
    """A value as a config file has it."""
    return OmegaConf.to_container(OmegaConf.create(f"value: {text}"), resolve=False)["value"]


def _set(node, place, value):
    *above, last = place
    for key in above:
        node = node[key]
    node[last] = value


@pytest.fixture(scope="module")
def _bounded():
    """Bounds of this process' memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def within(_bounded, main):
    """Carry out a command line within bounds of memory and of processor time, which a busy machine takes no longer."""

    def out_of_time(*_):
        raise TookTooLong

    before = signal.signal(signal.SIGVTALRM, out_of_time)

    def ended(arguments):
        signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
        try:
            return main(arguments)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    yield ended
    signal.signal(signal.SIGVTALRM, before)


def fault(code, out, err):
    """What is wrong with how a request ended; empty if nothing is."""
    if "Traceback" in out + err:
        return "a traceback"
    if code == COMPLETE:
        nonsense = err or re.search(r"\b(nan|inf|e\+[1-9]\d+)\b", out) or "predicted" not in out
        return "no sensible plan" if nonsense else ""
    if code != CONFIG_WRONG:
        return f"code {code}"
    lines = err.splitlines()
    if not lines:
        return "refused in silence"
    return next(filter(None, map(_fault_of_line, lines)), "")


def _fault_of_line(line):
    if not re.match(r"error: [a-z_][\w.\[\]-]*(\[\d+\])*: ", line):
        return "no key is named"
    if len(line) > _LONGEST:
        return f"a line of {len(line)} characters"
    twice = [word for word in ("expected", "got") if len(re.findall(rf"\b{word}\b", line)) > 1]
    if twice:
        return f"'{twice[0]}' twice"
    return "words of a library" if re.search(r"should|valid |Input|String|<class|Error\b", line) else ""


@pytest.fixture
def faults_of(within, monkeypatch, tmp_path):
    """Carry out cases as if a file said so; those that end as they should not, with how they did."""
    composed = {sweep: _composed(sweep, tmp_path / "root") for sweep in SWEEPS}

    def found(cases):
        faults = []
        for case in cases:
            raw = deepcopy(composed[case.sweep])
            _set(raw, case.place, _loaded(case.value))
            monkeypatch.setattr(actions, "compose", lambda *_, raw=raw: OmegaConf.create(raw))
            ended = within([])
            if wrong := fault(*ended):
                faults.append(f"{case}: {wrong}: {ended.code} {ended.err or ended.out[-1000:]}")
        assert list(tmp_path.iterdir()) == []
        return faults

    return found


def test_some_nasty_values_are_refused_in_words_or_give_a_plan(faults_of):
    cases = random.Random(1).sample(list(all_cases()), 300)
    assert faults_of(cases) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nasty_values_are_refused_in_words_or_give_a_plan(faults_of):
    assert faults_of(all_cases()) == []

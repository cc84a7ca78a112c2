"""Every key of conf/ set to nasty values: each request is refused in words about a key, or gives a sensible plan."""

import random
import re
import resource
import signal
from contextlib import contextmanager
from functools import reduce
from itertools import product
from operator import getitem
from typing import NamedTuple

import pytest
import yaml
from omegaconf import OmegaConf

from pipeline import actions, figures
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

ODDITIES = (
    "!!timestamp 2020-01-01", "!!binary aGk=", "!!set {a}", "!!python/object/apply:os.getcwd []", "&a [*a]", "1:30:00",
    "{1: 2}", "{null: 1}", "{? [1] : 2}", "{<<: 1}", "[", "*nothing", "\t", "{a: 1, a: 2}", "???",
    "${oc.env:NO_SUCH_VARIABLE}", '"${oc.nope:1}"',
)  # fmt: skip
"""What a file can say, and the command line can't."""

_CPU_SECONDS, _MEMORY = 60, 8 * 2**30
_LONGEST = 500


class TookTooLong(BaseException):
    """A request took more processor time than any may."""


class Case(NamedTuple):
    """One value at one place of a request."""

    sweep: str
    place: tuple[str | int, ...]
    value: str

    def __str__(self):
        return f"{self.sweep}: {self.override[:80]}"

    @property
    def override(self):
        """As the command line says it, but for entries of lists."""
        return f"{'.'.join(map(str, self.place))}={self.value}"


def arguments(sweep, root):
    """A command line that explains one of the requests."""
    return [*SWEEPS[sweep], f"store.root={root}", "action=explain"]


def _places(node, above=()):
    """Where a config can be changed: keys with sections and with values, and entries of lists."""
    if isinstance(node, dict | list):
        for key, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*above, key)
            yield from _places(below, (*above, key))


def cases(values):
    """All of some values at every place of every request."""
    for sweep in SWEEPS:
        raw = OmegaConf.to_container(compose(arguments(sweep, "root")), resolve=False)
        yield from (Case(sweep, *pair) for pair in product(_places(raw), values))


def some(number, values, in_a_list=True):
    """So many of all cases, the same every time; of keys alone, or of entries of lists too."""
    fitting = [case for case in cases(values) if in_a_list or not any(isinstance(key, int) for key in case.place)]
    return random.Random(1).sample(fitting, number)


# --- what is right ------------------------------------------------------------------------------------------


def fault(code, out, err):
    """What is wrong with how a request ended; empty if nothing is."""
    if "Traceback" in out + err:
        return "a traceback"
    if code == COMPLETE:
        nonsense = (
            err or re.search(r"^(predicted|disk|memory) .*\b(nan|inf)\b", out, re.M) or "predicted" not in out
        )
        return "no sensible plan" if nonsense else ""
    if code != CONFIG_WRONG:
        return f"code {code}"
    lines = err.splitlines()
    if not lines or out:
        return "refused in silence, or after it began"
    return next(filter(None, map(_fault_of_line, lines)), "")


def _fault_of_line(line):
    if not re.match(r"error: (a config file|[A-Za-z_/][\w./@-]*(\[\d+\])*(, line \d+)?): ", line):
        return "neither key nor file is named"
    if len(line) > _LONGEST:
        return f"a line of {len(line)} characters"
    twice = [word for word in ("expected", "got") if len(re.findall(rf"\b{word}\b", line)) > 1]
    if twice:
        return f"'{twice[0]}' twice"
    return "words of a library" if re.search(r"should|valid |Input|String|<class|Error\b", line) else ""


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        ((0, "predicted  3 core-seconds", ""), ""),
        ((2, "", "error: settings.eta: expected a number, got 'x'\n"), ""),
        ((2, "", "error: axes.T.values[0]: missing; expected a number\n"), ""),
        ((0, "predicted  nan core-seconds", ""), "no sensible plan"),
        ((0, "", ""), "no sensible plan"),
        ((1, "", "Traceback (most recent call last):\n"), "a traceback"),
        ((3, "", "error: a: b\n"), "code 3"),
        ((2, "", ""), "refused in silence, or after it began"),
        ((2, "", "error: Cannot merge DictConfig\n"), "neither key nor file is named"),
        ((2, "", "error: a: expected b, got\nc\n"), "neither key nor file is named"),
        ((2, "", f"error: a: expected b, got {500 * 'c'}\n"), "a line of 526 characters"),
        ((2, "", "error: a: expected b: expected c, got d\n"), "'expected' twice"),
        ((2, "", "error: a: expected String should match pattern '^a$', got 3\n"), "words of a library"),
    ],
)
def test_what_is_wrong_is_found(ended, wrong):
    assert fault(*ended) == wrong


# --- requests -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _bounded():
    """Bounds of this process' memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def wrong_in(_bounded, main, monkeypatch, tmp_path):
    """Carry out requests in bounds of memory and of processor time; those that end as none may, and that all is clean.

    A busy machine takes no more processor time.
    """

    def out_of_time(*_):
        raise TookTooLong

    known = figures.known()
    monkeypatch.setattr(figures, "known", lambda: known)  # whose files need not be read again and again
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGVTALRM, out_of_time)

    def wrong(requests):
        faults = []
        for name, arguments in requests:
            signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
            ended = main(arguments)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if why := fault(*ended):
                faults.append(f"{name}: {why}: {ended.code} {ended.err or ended.out[-1000:]}")
        assert [path.name for path in tmp_path.iterdir()] == []
        return faults

    yield wrong
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.fixture
def composed(monkeypatch):
    """Cases as requests whose configs are composed already, with the one value changed."""

    def requests(chosen):
        configs = {sweep: compose(arguments(sweep, "root")) for sweep in SWEEPS}
        raws = {sweep: OmegaConf.to_container(config, resolve=False) for sweep, config in configs.items()}
        for case in chosen:
            with _changed(configs[case.sweep], raws[case.sweep], case) as config:
                monkeypatch.setattr(actions, "compose", lambda *_, config=config: config)
                yield case, []

    return requests


@contextmanager
def _changed(config, raw, case):
    """A config with another value at a place, for a while."""
    *above, last = case.place
    node = reduce(getitem, above, config)
    node[last] = OmegaConf.create(f"value: {case.value}")._get_node("value")
    yield config
    node[last] = reduce(getitem, above, raw)[last]


def typed(chosen):
    """Cases as command lines."""
    for case in chosen:
        yield case, [*arguments(case.sweep, "root"), case.override]


def written(chosen, folder):
    """Cases as sweep files of one's own, which say more than command lines can."""
    (folder / "sweep").mkdir(parents=True)
    file = folder / "sweep" / "nasty.yaml"
    for case in chosen:
        value = reduce(lambda below, key: {key: below}, reversed(case.place), "VALUE")
        text = (
            yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()[1:-1].replace("VALUE", case.value)
        )
        sweep, *others = arguments(case.sweep, "root")
        file.write_text(f"# @package _global_\ndefaults: [{sweep.removeprefix('+sweep=')}, _self_]\n{text}")
        left = [other for other in others if _beside(case, other)]
        yield case, ["--config-dir", str(folder), "+sweep=nasty", *left]


def _beside(case, override):
    """Whether an override leaves what a case says as it is."""
    key, place = override.lstrip("+~").partition("=")[0].split("."), list(case.place)
    return key != place[: len(key)] and place != key[: len(place)]


def test_a_sensible_value_is_taken_in_each_way(composed, wrong_in, main, tmp_path_factory):
    sane = [Case(sweep, ("settings", "sigma"), "0.3") for sweep in SWEEPS]
    for requests in (composed(sane), typed(sane), written(sane, tmp_path_factory.mktemp("files"))):
        assert [main(arguments).code for _, arguments in requests] == [COMPLETE] * len(SWEEPS)


def test_some_nasty_values_are_refused_in_words_or_give_a_plan(composed, wrong_in):
    assert wrong_in(composed(some(400, VALUES))) == []


def test_some_nasty_values_on_the_command_line_and_in_files_are_too(wrong_in, tmp_path_factory):
    assert wrong_in(typed(some(30, VALUES, in_a_list=False))) == []
    assert wrong_in(written(some(30, ODDITIES, in_a_list=False), tmp_path_factory.mktemp("files"))) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nasty_values_are_refused_in_words_or_give_a_plan(composed, wrong_in):
    assert wrong_in(composed(cases(VALUES))) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nasty_values_on_the_command_line_and_in_files_are_too(wrong_in, tmp_path_factory):
    assert wrong_in(typed(some(200, VALUES, in_a_list=False))) == []
    assert wrong_in(written(some(200, ODDITIES, in_a_list=False), tmp_path_factory.mktemp("files"))) == []

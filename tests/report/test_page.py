"""Pages: what they show is what is stored, and what is wrong is said where it would stand."""

import html
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray

import pipeline
from pipeline import actions
from pipeline.claims import CLAIMS, Holds
from pipeline.errors import COMPLETE, CONFIG_WRONG, INTERRUPTED
from pipeline.figures import default as any_sweep
from pipeline.figures._drawing import _has_many_points
from pipeline.figures._style import style
from pipeline.report import Part, sections, verdicts
from pipeline.report.sections import _embedded, _some
from pipeline.report.series import frames_of, series_of
from pipeline.report.verdicts import _of_paper, _told
from pipeline.store import open_store, read_block
from pipeline.words import without_tex
from tests.command import PATIENCE, STUB, STUBS, Gate, default, stubbed, tiny, wait_for
from tests.contents import numbered_blocks
from tests.figures.drawings import dataset_of
from tests.store.small import file_all, hand_in

OWN = ["--config-dir", str(STUBS), "system=stub_tiny", "store.name=own", "cluster=serial", "store.block_members=2",
       "ensemble.members=4", "store.records=3", "axes.T.values=[1,2,5]", "figures.draw=[]"]  # fmt: skip


class Parsed(HTMLParser):
    """Texts and attributes of a page, and whether its elements are nested."""

    void = ("meta", "input", "br", "link", "img", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.texts, self.outside = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.outside += [given[name] for name in ("src", "srcset", "data", "action") if name in given]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def own(tmp_path, main):
    """A stored sweep of a user's own system: its arguments, and its page as text."""
    arguments = [*OWN, f"store.root={tmp_path}"]
    assert main(arguments).code == COMPLETE
    return arguments, lambda: _page(main, arguments, tmp_path / "report" / "own.html")


def _page(main, arguments, file):
    ended = main([*arguments, "action=report"])
    assert ended.code == COMPLETE
    assert ended.out.splitlines()[-1] == f"report: {file}"
    return file.read_text()


def test_a_page_of_ones_own_system_shows_the_estimates_of_its_store(own, tmp_path):
    page = own[1]()
    estimate = pipeline.table(pipeline.open_sweep(tmp_path / "own.zarr"), "value")
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    shown = {row[3]: row[4:8] for row in rows if row[1:2] == ["value"]}
    for k, T in enumerate(("1", "2", "5")):
        of = estimate.isel(T=k)
        assert shown[T][-1] == str(int(of["count"]))
        if np.isfinite(of["estimate"]) and float(shown[T][0]) == float(shown[T][0]):
            assert shown[T][:3] == [f"{float(of[name]):.4g}" for name in ("estimate", "low", "high")]
    assert "3 values of T, up to 4 members each" in page
    assert "6 of 6 asked for" in page


def test_it_is_one_file_that_asks_for_no_other_and_whose_names_are_its_own(own):
    page = own[1]()
    parsed = Parsed(page)
    assert parsed.open == []
    assert parsed.outside == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in parsed.links)
    assert "default-src 'none'" in page
    assert not re.findall(r"url\((?!#)|@import|<link|<img", page)
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= set(parsed.ids)


def test_stores_of_one_scale_decide_of_claims():
    """A quick search beside full sweeps is not the search that their settings come from."""

    def of(*stores):
        parts = [Part(Path(f"{name}{suffix}.zarr"), None, [], [], suffix) for name, suffix in stores]
        return {sweep: stores[k] for sweep, k in _of_paper(parts).items()}

    quick, full = ("kuramoto_calibration", "-quick"), ("kuramoto_calibration", "")
    swept, sketched = ("kuramoto_T", ""), ("kuramoto_T", "-quick")
    archive = _of_paper([Part(Path(f"kuramoto_T.zarr{end}"), None, [], [], "") for end in ("", ".zip")])
    assert archive == {"kuramoto_T": 0}
    assert of(quick, swept, full, sketched) == {"kuramoto_T": swept, "kuramoto_calibration": full}
    assert of(quick, swept) == {"kuramoto_T": swept}
    assert of(quick, sketched, full) == {"kuramoto_T": sketched, "kuramoto_calibration": quick}
    assert of(quick, full) == {}


def test_an_incomplete_store_says_so(own, tmp_path, main):
    arguments, page = own
    more = [*arguments, "ensemble.members=8"]
    text = _page(main, more, tmp_path / "report" / "own.html")
    assert "not complete: 6 of 12 blocks are missing; nobody is at work on it" in text
    assert "not complete" not in page()


def test_a_page_of_a_running_sweep_says_how_far_it_is(tmp_path, start, main):
    arguments, gate = stubbed(tmp_path), Gate(tmp_path)
    gate.allow(2)
    process = start(arguments, tmp_path / "log", **gate.environment)
    path = tmp_path / "kuramoto_T.zarr"
    wait_for(lambda: path.exists() and len(numbered_blocks(path)) == 2, "two blocks")
    told = [*STUB[:2], "action=report", f"path={path}"]
    assert main(told).code == COMPLETE
    page = (tmp_path / "report" / "kuramoto_T.html").read_text()
    assert "not complete: 4 of 6 blocks are missing; a run is at work on it" in page
    assert "incomplete" in page  # across the figure
    gate.allow(99)
    assert process.wait(PATIENCE) == COMPLETE
    assert main(told).code == COMPLETE
    page = (tmp_path / "report" / "kuramoto_T.html").read_text()
    assert "not complete" not in page
    assert "6 of 6 asked for" in page


def test_stores_of_alike_names_have_sections_of_their_own(own, tmp_path, main):
    for name in ("a.b", "a-b", "a", "a-title"):
        assert main([*own[0], f"store.name={name}"]).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}", *OWN[:2]]).code == COMPLETE
    parsed = Parsed((tmp_path / "report" / "stores.html").read_text())
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {"store-a_b", "store-a_b_2", "store-a", "store-a_title", "store-own"} <= set(parsed.ids)


def test_images_that_are_the_same_do_not_share_a_name():
    drawn = '<svg width="1"><image id="image1"/><g id="a"><image id="image1"/></g><use xlink:href="#a"/></svg>'
    assert Parsed(_embedded(drawn, "store-own")).ids == ["store-own-image1", "store-own-a"]


def test_a_damaged_store_says_so_where_its_numbers_would_stand(own, tmp_path, main):
    assert main([*own[0], "store.name=whole"]).code == COMPLETE
    (root,) = (tmp_path / "own.zarr").glob("zarr.json")
    root.write_text(root.read_text()[:-40])
    ended = main(["action=report", f"store.root={tmp_path}", *OWN[:2]])
    assert ended.code == COMPLETE
    assert f"on the page: own: {tmp_path}/own.zarr" in ended.out
    page = (tmp_path / "report" / "stores.html").read_text()
    damaged, whole = page.split('<section id="store-whole"')
    assert "own.zarr/zarr.json" in damaged
    assert "<figure" not in damaged
    assert "<figure" in whole


def test_a_changed_number_changes_the_page_where_it_should_and_nowhere_else(own, tmp_path, main):
    assert main([*own[0], "store.name=whole"]).code == COMPLETE
    pages = []
    for change in (False, True):
        if change:
            store = open_store(tmp_path / "own.zarr")
            values = read_block(store, 2, 0)
            values["value"][1] += 1  # at T = 5, where member 0 diverged
            hand_in(store, 2, 0, values, int(store.books["code"][2, 0]))
            file_all(tmp_path / "own.zarr")
        assert main(["action=report", f"store.root={tmp_path}", *OWN[:2]]).code == COMPLETE
        pages.append((tmp_path / "report" / "stores.html").read_text().partition('<section id="store-whole"'))
    (before, _, whole), (after, _, still) = pages
    assert whole.partition("<footer")[0] == still.partition("<footer")[0]
    rows = [set(re.findall(r"<tr><td>.*?</tr>", page)) for page in (before, after)]
    changed = list(map(_cells, rows[1] - rows[0]))
    assert {row[1] for row in changed} == {"value"}
    assert {row[3] for row in changed} == {"5"}  # T
    old, new = (next(row for row in map(_cells, some) if row[1] == "value" and row[3] == "5") for some in rows)
    assert float(new[4]) == pytest.approx(float(old[4]) + 1 / int(old[7]), abs=2e-3)


def _cells(row):
    return re.findall(r"<td[^>]*>(.*?)</td>", row)


def test_nothing_stored_and_nothing_there(tmp_path, main):
    ended = main([*OWN, f"store.root={tmp_path}", "action=report"])
    assert ended.code == INTERRUPTED
    assert "nothing is stored yet" in ended.err
    assert main(["action=report", f"path={tmp_path}/gone.zarr"]).code == CONFIG_WRONG
    ended = main(["action=report", f"path={tmp_path}"])
    assert ended.code == CONFIG_WRONG
    assert "without any" in ended.err


@pytest.mark.parametrize("name", ["x.html", "x.zip", "x.nc"])
def test_a_folder_that_is_a_link_to_itself_is_told(name, own, tmp_path, main):
    (tmp_path / "loop").symlink_to("loop")
    action = "report" if name == "x.html" else "export"
    ended = main([f"action={action}", f"path={tmp_path / 'own.zarr'}", f"to={tmp_path / 'loop' / name}", *OWN[:2]])
    assert (ended.code, ended.err.count("\n")) == (CONFIG_WRONG, 1)


def test_a_folder_of_stores_is_no_store(own, tmp_path, main):
    for asked in (["action=verify"], ["action=export", f"to={tmp_path / 'x.csv'}"]):
        ended = main([*asked, f"path={tmp_path}", *OWN[:2]])
        assert (ended.code, ended.out) == (CONFIG_WRONG, "")
        assert ended.err == f"error: {tmp_path}: expected a store, got a folder of stores; name one of them\n"


def test_a_store_without_a_record_of_its_runs_says_so(own, tmp_path):
    (tmp_path / "own.zarr" / "runs" / "000001.json").unlink()
    assert "unknown: there is no record of a run" in own[1]()


def test_names_of_users_are_text(own, tmp_path, main):
    evil = "<b onclick=alert(1)>"
    assert main([*own[0], "ensemble.members=8", f"figures.folder='{tmp_path}/{evil}'"]).code == COMPLETE
    page = own[1]()
    assert evil not in page
    assert html.escape(evil) in page


def test_a_list_of_stores_leaves_pages_out(own, tmp_path, main):
    own[1]()
    assert "report" not in main(["action=list", f"store.root={tmp_path}"]).out


def test_a_sweep_of_the_paper_has_its_own_figure(tmp_path, main):
    assert main(tiny(tmp_path, "figures.draw=[]")).code == COMPLETE
    page = _page(main, tiny(tmp_path, "figures.draw=[kuramoto_T]"), tmp_path / "report" / "kuramoto_T.html")
    assert "Figure 7" in html.unescape(page)
    rows = {row[0]: row for row in map(_cells, re.findall(r"<tr><td[^>]*>.*?</tr>", html.unescape(page)))}
    assert rows["eta"][1:5] == ["η", str(default("eta")), "", "conf/system/kuramoto.yaml"]
    assert rows["iterations"][4:6] == ["the sweep's files or command", ""]
    assert rows["eta"][5] == "η; kuramoto_calibration"
    meaning = (
        "interval over which R is averaged, time kuramoto_calibration, at these settings: success rises with T"
    )
    assert rows["T"][5].startswith(meaning)
    assert rows["T"][2:5] == ["swept", "time", "an axis of the sweep"]


def test_a_page_of_stores_of_the_paper_judges_its_claims(tmp_path, main):
    assert main(tiny(tmp_path, "axes.T.values=[1,50]")).code == COMPLETE
    null = ["+sweep=kuramoto_null", *tiny(tmp_path, "axes.T.values=[1,50]")[1:]]
    assert main([*null, "settings.iterations=10"]).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    page = html.unescape((tmp_path / "report" / "stores.html").read_text())
    verdict = dict(re.findall(r'(C\d+): <span class="verdict">([\w ]+)<', page))
    assert list(verdict) == list(CLAIMS)
    assert verdict["C11"] != "not computed" != verdict["C13"]
    assert {verdict[name] for name in verdict if name not in ("C11", "C13")} == {"not computed"}
    computed_by = f"python -m pipeline +sweep=network_evolution store.root={tmp_path} computes it"
    assert f"network_evolution: not there yet; {computed_by}" in page
    assert all(rule in " ".join(page.split()) for rule in (claim.rule for claim in CLAIMS.values()))
    assert main(["action=report", f"path={tmp_path / 'kuramoto_T.zarr'}"]).code == COMPLETE
    assert "C13" not in (tmp_path / "report" / "kuramoto_T.html").read_text()
    assert "; 2 of them judged by stores that are not the paper's sweeps" in page
    for name, told in (("C11", True), ("C9", False)):
        assert ("Judged by a store that is not the paper's sweep" in _claim(tmp_path, name)) == told
    assert "settings under which this holds" not in _claim(tmp_path, "C13")


def test_stores_of_the_paper_come_in_the_order_of_its_claims(tmp_path, main):
    for name in ("a", "kuramoto_T", "kuramoto_null"):
        assert main(tiny(tmp_path, f"store.name={name}")).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    page = (tmp_path / "report" / "stores.html").read_text()
    assert re.findall(r'<section id="store-(\w+)"', page) == ["kuramoto_T", "kuramoto_null", "a"]
    assert "the paper&#39;s claims" in page


def test_a_claim_without_numbers_says_so(tmp_path, main):
    assert main(tiny(tmp_path, "settings.target_order_parameter=1")).code == COMPLETE
    assert main(["+sweep=kuramoto_null", *tiny(tmp_path)[1:], "settings.iterations=10"]).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    assert "<td>no numbers</td>" in _claim(tmp_path, "C11")
    assert "nan" not in _claim(tmp_path, "C11")


def test_a_page_of_all_stores_draws_what_each_last_drew(tmp_path, main):
    arguments = [*OWN, f"store.root={tmp_path}", "figures.draw=null", "figures.of=[median_value]"]
    assert main(arguments).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}", *OWN[:2]]).code == COMPLETE
    page = (tmp_path / "report" / "stores.html").read_text()
    assert "<td>median_value</td>" in page
    assert "<td>value</td>" not in page


def test_a_claim_that_chose_the_settings_says_where_else_it_holds(tmp_path, main):
    claim = _page_with_claims(tmp_path, main)
    assert "<code>make calibrate</code> repeats that search" in claim("C13")
    assert "make calibrate" not in claim("C17")


@pytest.mark.parametrize("place", [".", "deep/er", "../other.zarr", "../other.zarr/x"])
@pytest.mark.parametrize("asked", ["action=report to=x.html", "action=export to=x.zip", "action=export to=x.csv"])
def test_nothing_is_written_into_a_store(asked, place, own, tmp_path, main):
    action, name = asked.split(" to=")
    before = sorted(tmp_path.rglob("*"))
    ended = main([action, f"path={tmp_path / 'own.zarr'}", f"to={tmp_path / 'own.zarr' / place / name}", *OWN[:2]])
    assert ended.code == CONFIG_WRONG
    assert "to: expected a file outside of stores, got " in ended.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("seed", [1, 7])
def test_a_search_is_counted_if_it_is_that_of_its_file(seed, configure, tmp_path, main, monkeypatch):
    monkeypatch.setattr(actions, "_of_paper", lambda sweep: configure(tmp_path))
    monkeypatch.setattr(verdicts, "holds", lambda *_: {"C13": Holds(3, 9)})
    assert main(tiny(tmp_path, "store.name=kuramoto_calibration", f"ensemble.seed={seed}")).code == COMPLETE
    claim = _page_with_claims(tmp_path, main)("C13")
    assert ("3 of 9 places" in claim) == (seed == 1)
    assert ("can't be said: the search that is stored" in claim) == (seed == 7)


def _page_with_claims(root, main):
    assert main(tiny(root)).code == COMPLETE
    assert main(["action=report", f"store.root={root}"]).code == COMPLETE
    return lambda name: _claim(root, name)


def test_an_incomplete_or_damaged_store_decides_nothing(tmp_path, main):
    assert main(tiny(tmp_path, "axes.T.values=[1,50]")).code == COMPLETE
    arguments = ["action=report", f"store.root={tmp_path}"]
    assert main(arguments).code == COMPLETE
    assert "share" not in _claim(tmp_path, "C13")
    chunk = tmp_path / "kuramoto_T.zarr" / "fixed_order_parameter" / "c.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    ended = main(arguments)
    assert ended.code == COMPLETE
    assert "on the page" in ended.out
    assert "not computed" in _claim(tmp_path, "C13")
    assert "fixed_order_parameter" in _claim(tmp_path, "C13")


def test_claims_say_in_what_a_store_is_another_than_the_sweep_of_the_paper(tmp_path, main):
    """By its settings too, what seed it has, more values, members that are fewer at some points."""
    other = tiny(tmp_path, "ensemble.members=4", "ensemble.seed=7", "axes.T.values=[1,50,500]")
    assert main(other).code == COMPLETE
    assert main([*other, "ensemble.members=200", "axes.T.values=[50]"]).code == COMPLETE
    network = ["+sweep=network_robust_evolution", "cluster=serial", f"store.root={tmp_path}", "figures.draw=[]",
               "settings.threshold=0.5", "settings.iterations=20", "ensemble.members=2"]  # fmt: skip
    assert main(network).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    told = _claim(tmp_path, "C13")
    for difference in ("seed 7, not 1", "1 more of T", "4 members at some points, not 192", "5 records, not 251"):
        assert difference in told
    assert "threshold 0.5, of which no run says that it is from another store" in _claim(tmp_path, "C5")
    assert "At the settings that were found best" not in told


def test_a_threshold_from_a_store_that_is_not_the_papers_sweep_is_told(tmp_path, main, monkeypatch):
    """The stores of the page say it, and what is in the working directory changes nothing."""
    tiny_network = ["cluster=serial", f"store.root={tmp_path}", "figures.draw=[]", "settings.iterations=20"]
    source = [
        "+sweep=network_functional",
        *tiny_network,
        "ensemble.members=4",
        "ensemble.seed=3",
        "settings.eta=1",
    ]
    assert main(source).code == COMPLETE
    assert main(["+sweep=network_robust_evolution", *tiny_network, "ensemble.members=2"]).code == COMPLETE
    (tmp_path / "here" / "data" / "network_functional.zarr").mkdir(parents=True)
    (tmp_path / "here" / "data" / "network_functional.zarr" / "zarr.json").write_text("{")
    monkeypatch.chdir(tmp_path / "here")
    assert main(["action=report", f"path={tmp_path}"]).code == COMPLETE
    told = _claim(tmp_path, "C5")
    assert f"threshold from a network_functional with eta 1.0, not {default('eta', 'network')}" in told
    assert "iterations 20, not 500000, members 4, not 480, seed 3, not 1" in told


def test_a_page_of_a_scale_says_how_its_other_sweeps_are_computed_at_that_scale(tmp_path, main):
    assert main([*tiny(tmp_path), "+scale=quick"]).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    asked = f"python -m pipeline +sweep=kuramoto_null +scale=quick store.root={tmp_path} computes it"
    assert asked in _claim(tmp_path, "C11")


def test_paths_of_a_page_are_as_fine_as_eyes_see_and_its_texts_are_whole(own):
    page = own[1]()
    paths = re.findall(r' d="([^"]*)"', page)
    assert any("." in path for path in paths)
    assert not any(re.search(r"\.\d{3}", path) for path in paths)
    assert re.search(r"\.\d{3}", re.sub(r' d="[^"]*"', "", page))


def test_an_interval_is_told_in_as_many_digits_as_it_needs():
    assert _told((1.0091, 1.0052, 1.0131)) == "1.009 [1.005, 1.013]"
    assert _told((0.5, 0.5, 0.5)) == "0.5"
    assert _told((0.51, 0.412, 0.608)) == "0.51 [0.412, 0.608]"


def _claim(root, name):
    page = html.unescape((root / "report" / "stores.html").read_text())
    return page.partition(f'<article id="{name}"')[2].partition("</article>")[0]


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"mean $\langle|w|\rangle$", "mean ⟨|w|⟩"),
        (r"$R_\mathrm{target}$", "R target"),
        (r"\eta_R", "η_R"),
        (r"cost \$c", "cost $c"),
        (r"\foo", r"\foo"),
        (r"\omega_{\max}", "ω_max"),
    ],
)
def test_labels_without_tex(tex, text):
    assert without_tex(tex) == text


@pytest.mark.parametrize(
    ("members", "records", "said"),
    [
        (8, 5, ""),
        (40, 5, "the first 32 of 40 members"),
        (40, 300, "the first 32 of 40 members, 200 of 300 records"),
    ],
)
def test_members_to_be_picked_are_those_of_the_store_and_not_too_many(members, records, said):
    dataset = dataset_of({"alpha": [1.0]}, members, records=records).isel(alpha=0)
    series = series_of(dataset)
    path = next(one for one in series if one.name == "path")
    assert (path.left_out, len(path.members), len(path.x)) == (said, min(members, 32), min(records, 200))
    assert (path.x[0], path.x[-1]) == (0.0, 10.0 * (records - 1))
    for told, row, status in zip(path.members, dataset["path"].values, dataset["status"].values, strict=False):
        assert told["state"] == ("computed" if status == 1 else "diverged")
        assert told["y"][0] == (float(f"{row[0]:.4g}") if status == 1 else None)
        assert told["y"][-1] == (float(f"{row[-1]:.4g}") if status == 1 else None)
    assert series_of(dataset_of({"alpha": [1.0, 2.0]}, members, records=records)) == []


@pytest.mark.parametrize(
    ("members", "frames", "said"),
    [
        (3, 4, ""),
        (9, 4, "the first 8 of 9 members"),
        (2, 60, "50 of 60 frames"),
    ],
)
def test_pictures_of_members_are_those_of_the_store_and_not_too_many(members, frames, said):
    numbers = np.random.default_rng(0).standard_normal((frames, members, 2, 3, 4))
    numbers[0, 1] = np.nan
    coords = {"epochs": np.arange(frames) * 10}
    pictures = xarray.DataArray(numbers, coords, ("epochs", "member", "a_part", "row", "column"), "weight")
    status = np.ones((members, frames), int)
    status[1, 0] = 2
    found = frames_of(pictures, xarray.DataArray(status, coords, ("member", "epochs")))
    assert found is not None
    assert (found.left_out, found.shape, found.panel, found.along) == (said, (2, 3, 4), "a part", "epochs")
    assert (len(found.members), len(found.x)) == (min(members, 8), min(frames, 50))
    assert (found.x[0], found.x[-1]) == (0, 10 * (frames - 1))
    assert found.members[1]["y"][0] == [None] * 24
    assert [one["states"][0] for one in found.members[:2]] == ["computed", "diverged"]
    assert found.members[0]["y"][-1] == [float(f"{value:.4g}") for value in numbers[-1, 0].ravel()]


@pytest.mark.parametrize(
    ("pixels", "members", "frames"), [(100, 8, 50), (1000, 4, 50), (10_000, 1, 20), (10**6, 0, 0)]
)
def test_pictures_of_large_systems_are_fewer(pixels, members, frames):
    coords = {"epochs": np.arange(60)}
    pictures = xarray.DataArray(
        np.broadcast_to(1.0, (60, 9, 1, 1, pixels)),
        coords,
        ("epochs", "member", "part", "row", "column"),
        "weight",
    )
    found = frames_of(pictures, xarray.DataArray(np.ones((60, 9), int), coords, ("epochs", "member")))
    assert (found is None) == (members == 0)
    if found is not None:
        assert (len(found.members), len(found.x)) == (members, frames)


def test_it_says_what_the_last_checks_said(own, tmp_path, main):
    arguments, page = own
    assert "not done yet" in page()
    assert main([*arguments, "action=verify", "verify.sample=2"]).code == COMPLETE
    assert "6 blocks checked, 2 computed again; all blocks are as they should be" in page()
    assert main(["action=verify", f"path={tmp_path / 'own.zarr'}", *OWN[:2], "verify.sample=1"]).code == COMPLETE
    assert "6 blocks checked, 1 computed again" in page()
    (tmp_path / "own.zarr" / "runs" / "checks" / "verify.json").write_text("{")
    ended = main([*arguments, "action=report"])
    assert ended.code == COMPLETE
    assert "runs/checks/verify.json" in ended.out


def test_converge_is_told_too(tmp_path, main):
    assert main(tiny(tmp_path)).code == COMPLETE
    check = ("action=converge", "converge.points=1", "converge.members=8", "converge.factors=[2]")
    assert main(tiny(tmp_path, *check)).code == COMPLETE
    page = _page(main, tiny(tmp_path), tmp_path / "report" / "kuramoto_T.html")
    assert re.search(r"1 point with dt/2; \d+ of \d+ means move by more than their interval", page)


def test_a_store_whose_model_is_not_found_says_so_and_hides_no_other(own, tmp_path, main):
    assert main(tiny(tmp_path)).code == COMPLETE
    ended = main(["action=report", f"store.root={tmp_path}"])
    assert ended.code == COMPLETE
    assert "on the page: own: system: expected one of" in ended.out
    page = html.unescape((tmp_path / "report" / "stores.html").read_text())
    (section,) = re.findall(r'<section id="store-own".*?</section>', page, re.DOTALL)
    assert "or a module here, in --config-dir or on sys.path, got stub_tiny" in section
    assert "<figure" not in section
    assert "6 of 6 asked for" in section
    assert "Numbers of store-kuramoto_T" in page


def test_a_claim_says_in_what_the_stores_that_decide_are_not_the_papers_sweeps(tmp_path, main):
    assert main(["+sweep=kuramoto_evolution", *tiny(tmp_path)[1:], "~axes", "figures.draw=[]"]).code != COMPLETE
    evolution = ["+sweep=kuramoto_evolution", "cluster=serial", f"store.root={tmp_path}", "store.block_members=8"]
    short = ["settings.iterations=20", "ensemble.members=16", "store.records=6", "settings.fixed_duration=10"]
    assert main([*evolution, *short, "settings.fixed_discarded=1", "settings.eta=2"]).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    claim = _claim(tmp_path, "C17")
    assert "not the paper's sweep" in claim
    for differs in (f"eta 2.0, not {default('eta')}", "iterations 20, not 50000", "16 members, not 96"):
        assert differs in claim


def test_a_store_of_other_axes_under_a_name_of_the_paper_is_not_judged(tmp_path, main):
    assert main(tiny(tmp_path, "~axes.T", "axes={eta: {values: [1,2]}}", "figures.draw=null")).code == COMPLETE
    assert main(["action=report", f"store.root={tmp_path}"]).code == COMPLETE
    assert "kuramoto_T: a sweep over eta, not over T" in _claim(tmp_path, "C13")


def test_numbers_of_other_code_and_blocks_after_a_check_are_told(own, tmp_path, main, monkeypatch):
    arguments, page = own
    assert main([*arguments, "action=verify", "verify.sample=1"]).code == COMPLETE
    assert "since then not checked" not in page()
    monkeypatch.setattr(
        "pipeline.report.sections._checked",
        lambda told, runs, of=sections._checked: of({**told, "when": "2020-01-01T00:00:00+00:00"}, runs),
    )
    assert "6 blocks since then not checked" in page()
    store = open_store(tmp_path / "own.zarr")
    assert "were computed by other code" not in page()
    hand_in(store, 2, 0, read_block(store, 2, 0), 12345)
    file_all(tmp_path / "own.zarr")
    assert "1 block of 6 were computed by other code than today" in html.unescape(page())


def test_a_page_goes_where_it_is_asked_to_and_costs_no_file(own, tmp_path, main):
    arguments, _ = own
    to = tmp_path / "there.html"
    for told in (arguments, [*OWN[:2], f"path={tmp_path / 'own.zarr'}"]):
        assert main([*told, "action=report", f"to={to}", "export.overwrite=true"]).code == COMPLETE
        assert "<!doctype html>" in to.read_text()
    to.write_text("mine")
    assert main([*arguments, "action=report", f"to={to}"]).code == CONFIG_WRONG
    assert to.read_text() == "mine"
    assert main([*arguments, "action=report", f"to={tmp_path / 'x.csv'}"]).code == CONFIG_WRONG
    assert main([*arguments, "action=export", f"to={tmp_path / 'x.html'}"]).code == CONFIG_WRONG
    assert main(["action=report", f"path={to}"]).code == CONFIG_WRONG
    assert to.read_text() == "mine"
    (tmp_path / "report" / "own.html").mkdir(parents=True)
    assert main([*arguments, "action=report"]).code == CONFIG_WRONG
    assert [one.name for one in (tmp_path / "report").iterdir()] == ["own.html"]


@pytest.mark.parametrize("name", ["content", "claims", "C1", "told", "b\udcff", "a\x01b"])
def test_any_name_of_a_store_is_one_of_a_section(name, own, tmp_path, main):
    os.rename(tmp_path / "own.zarr", tmp_path / f"{name}.zarr")
    ended = main(["action=report", f"store.root={tmp_path}", *OWN[:2]])
    assert ended.code == COMPLETE
    text = (tmp_path / "report" / "stores.html").read_text()
    parsed = Parsed(text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not re.search(r"[\x00-\x08]", text)


def test_labels_and_swept_values_are_shown_as_they_are(own, tmp_path, main):
    values = "axes.T.values=[100001,100002,1.00001]"
    assert main([*own[0], values, "store.name=close", "figures.draw=null"]).code == COMPLETE
    page = _page(main, [*own[0], values, "store.name=close"], tmp_path / "report" / "close.html")
    assert all(f"<td>{value}</td>" in page for value in ("100001.0", "100002.0", "1.00001"))
    assert all(f'"T = {value};' in page or f"T = {value};" in page for value in ("100001", "100002", "1.00001"))


def test_a_figure_of_very_long_series_is_small_and_says_what_it_leaves_out(tmp_path, main):
    dataset = dataset_of({"alpha": [1.0]}, 3, records=20_000).isel(alpha=0)
    rows = [[str(k), str(k % 2)] for k in range(1500)]
    assert {row[1] for row in _some(rows, 600)} == {"0", "1"}
    assert _some(rows, 600)[-1] == rows[-1]
    assert len(_some(rows, 600)) == 600
    with style():
        figure = any_sweep.draw(dataset, ())
        assert any(map(_has_many_points, figure.findobj()))

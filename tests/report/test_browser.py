"""A page in a real browser: no request leaves it, keys reach its numbers, and a checker of accessibility finds nothing.

Without Chromium or Playwright these tests are skipped, unless BROWSER=needed, as in CI.
"""

import os
import shutil

import pytest

from pipeline.errors import COMPLETE
from tests.command import tiny

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDED = os.environ.get("BROWSER") == "needed"


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    if not NEEDED and CHROMIUM is None:
        pytest.skip("no Chromium here")
    if not NEEDED:
        pytest.importorskip("playwright", reason="needs pip install -e '.[browser]'")
        pytest.importorskip("axe_playwright_python", reason="needs pip install -e '.[browser]'")
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a page about a figure of the paper, and a map."""
    from pipeline.__main__ import exit_code

    root = tmp_path_factory.mktemp("stores")
    assert exit_code(tiny(root, "figures.draw=[kuramoto_T]")) == COMPLETE
    axes = ("~axes.T", "axes={eta: {values: [1,2,3,4,5]}, sigma: {values: [.1,.2,.3,.4,.5]}}", "store.name=map")
    assert exit_code(tiny(root, "figures.draw=null", *axes)) == COMPLETE
    assert exit_code(tiny(root, "~axes.T", "settings.T=2", "store.name=one")) == COMPLETE
    weights = ["+sweep=network_weights", f"store.root={root}", "cluster=serial", "ensemble.members=2"]
    assert exit_code([*weights, "axes.iterations.values=[2,4,8]"]) == COMPLETE
    assert exit_code(["action=report", f"store.root={root}"]) == COMPLETE
    return (root / "report" / "stores.html").as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page at some width and colours; gives it, and lists of what it logs and asks for."""
    pages = []

    def opened(width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page, said, asked

    yield opened
    for page in pages:
        page.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_whole_accessible_and_as_wide_as_the_screen(opened, address, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page, said, asked = opened(width, scheme)
    for summary in page.locator("summary").all():
        summary.click()
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    assert said == []
    assert asked == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_keys_and_pointer_tell_the_numbers_of_the_table(opened):
    page, said, _ = opened()
    told = page.locator("#told")
    for figure in page.locator("figure").all():
        circles = figure.locator("circle")
        assert circles.count() > 1
        circles.first.focus()
        assert told.inner_text() == circles.first.get_attribute("aria-label")
        page.keyboard.press("ArrowRight")
        assert told.inner_text() == circles.nth(1).get_attribute("aria-label")
        page.keyboard.press("End")
        assert told.inner_text() == circles.last.get_attribute("aria-label")
        page.keyboard.press("Escape")
        assert told.is_hidden()
    circles.first.hover(force=True)
    assert told.is_visible()
    assert said == []


def test_a_member_is_picked_by_keys(opened):
    whole, said, _ = opened()
    page = whole.locator(".pick:has(.variable)")
    told, slider = page.locator("output"), page.locator(".member")
    assert "member 0, computed" in told.inner_text()
    slider.focus()
    whole.keyboard.press("ArrowRight")
    assert "member 1, computed: mean order parameter" in told.inner_text()
    whole.keyboard.press("End")
    assert "member 15, computed" in told.inner_text()
    page.locator(".variable").select_option(index=1)
    assert "error |R_target - R|" in told.inner_text()
    assert page.locator(".other").count() == 16
    assert "member 15 picked" in page.locator("svg").get_attribute("aria-label")
    assert said == []


def test_weights_are_seen_as_a_network_learned(opened):
    whole, said, _ = opened()
    page, tip = whole.locator(".pick:has(input.frame)"), whole.locator("#told")
    told = page.locator("output")
    assert "member 0, 8 iterations, computed" in told.inner_text()
    assert page.locator("rect").count() == 10 * 35
    shown = page.locator("rect").first.get_attribute("fill-opacity")
    page.locator("rect").first.hover(force=True)
    assert tip.inner_text().startswith("hidden node 0, row 0, column 0: ")
    page.locator("input.frame").focus()
    whole.keyboard.press("Home")
    assert "member 0, 2 iterations, computed" in told.inner_text()
    assert "2 iterations" in page.locator("svg").get_attribute("aria-label")
    assert page.locator("rect").first.get_attribute("fill-opacity") != shown
    page.locator(".member").focus()
    whole.keyboard.press("ArrowRight")
    assert "member 1, 2 iterations, computed" in told.inner_text()
    assert said == []


def test_all_that_can_be_used_is_reached_by_tab(opened):
    page, _, _ = opened()
    for summary in page.locator("summary").all():
        summary.click()
    page.evaluate("document.activeElement.blur()")
    wanted = page.locator("a, summary, select, input, [tabindex='0']").count()
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(reached - {0, 1, -1}) >= wanted


def test_printed_it_shows_its_tables(opened, tmp_path):
    page, _, _ = opened()
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()

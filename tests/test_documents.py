"""Documents: links lead somewhere, every sweep is in the list of sweeps, the front page stays one."""

import re

import pytest

from tests.command import ROOT

DOCUMENTS = [ROOT / name for name in (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "conf/README.md", "data/README.md", "tests/benchmarks/README.md",
)]  # fmt: skip


def anchors(text):
    """Of the headings of a document, as they are linked to."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            assert file.exists(), target
            assert not anchor or anchor in anchors(file.read_text()), target


def test_the_front_page_stays_one():
    assert len((ROOT / "README.md").read_text().splitlines()) < 250


def test_every_sweep_is_in_the_list_of_sweeps():
    listed = re.findall(r"^\| `python -m pipeline \+sweep=(\w+)`", (ROOT / "conf" / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(file.stem for file in (ROOT / "conf" / "sweep").glob("*.yaml"))


def test_make_paper_runs_all_sweeps_that_claims_are_about():
    from pipeline.claims import SWEEPS

    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    paper = re.search(r"^PAPER := (.*)$", makefile, re.M)[1].split()
    assert set(SWEEPS) <= set(paper)
    assert paper.index("network_functional") < paper.index("network_robust")

"""Systems of a user's own, as small modules in a folder on the path."""

import sys
import textwrap

import pytest

from pipeline.systems import finding

MODEL = """
import numpy as np
from pydantic import Field

from pipeline.schema import Section
from pipeline.systems import Dimension, System, Variable


class Settings(Section):
    a: float
    steps: int = Field(ge=1)


def values(settings, members):
    return {
        "x": settings["a"] + members,
        "y": np.outer(members, np.arange(settings["steps"])),
    }


def compute(settings, seed, members, records):
    given = values(settings, members)
    return given


SYSTEM = System(
    settings=Settings,
    dimensions=(Dimension("step", "step", "1", ("steps",), lambda settings, _: np.arange(settings["steps"])),),
    variables=(Variable("x", (), "number"), Variable("y", ("step",), "series")),
    compute=compute,
)
"""
"""Members are told apart by their numbers: x = a + member, y = member × step."""


class Own:
    """A folder of a user's own modules."""

    def __init__(self, folder):
        self.folder = folder

    def put(self, path, text):
        """Write a file; its path."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def edit(self, path, old, new):
        """Replace a text in a file that has it once; its path."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1
        return self.put(path, text.replace(old, new))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder at the end of the path; what is imported from it is forgotten with the test."""
    folder = tmp_path / "own"
    folder.mkdir()
    modules, loaded = set(sys.modules), set(finding._loaded)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    yield Own(folder)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
    for name in set(finding._loaded) - loaded:
        del finding._loaded[name]

"""Sweeps and stores that tests of stores begin with."""

import shutil

import pytest

from pipeline.request import define
from tests.contents import fill
from tests.store.small import LARGE, SMALL, made


@pytest.fixture(scope="session")
def sweep(configure):
    """A sweep from overrides."""
    return lambda *overrides: define(configure("nowhere", *overrides))


@pytest.fixture(scope="session")
def templates(sweep, tmp_path_factory):
    """Stores to copy: an empty and a filled one of the small sweep, a filled one of the large."""
    folder = tmp_path_factory.mktemp("templates")
    made(folder / "empty", sweep(*SMALL))
    fill(sweep(*SMALL), folder / "small")
    fill(sweep(*LARGE), folder / "large")
    return folder


@pytest.fixture
def copy_of(templates, tmp_path):
    """A fresh copy of a template."""

    def copied(name, to="a.zarr"):
        shutil.rmtree(tmp_path / to, ignore_errors=True)
        return shutil.copytree(templates / name, tmp_path / to)

    return copied

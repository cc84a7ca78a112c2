"""Sweeps and stores that tests of stores begin with."""

import dataclasses
import shutil

import pytest

from pipeline.request import define
from pipeline.systems import finding, kuramoto, loaded
from tests.contents import fill
from tests.store.small import LARGE, SMALL, made

VARIABLES = {"order_parameter", "final_error", "weight", "phase", "final_trace"}
"""One with each kind of dimensions. All would more than double the files that these tests write, thousands as it is."""


@pytest.fixture(scope="module")
def few_variables():
    """Let kuramoto have few variables."""

    def compute(settings, seed, members, records):
        values = kuramoto.compute(settings, seed, members, records)
        return {name: values[name] for name in values if name in VARIABLES or name == "status"}

    variables = tuple(variable for variable in kuramoto.SYSTEM.variables if variable.name in VARIABLES)
    assert len(variables) == len(VARIABLES)
    system = dataclasses.replace(kuramoto.SYSTEM, variables=variables, compute=compute, estimands={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(finding._loaded, "kuramoto", loaded("kuramoto")._replace(system=system))
        patch.setattr(kuramoto, "SYSTEM", system)
        yield


@pytest.fixture(scope="module")
def sweep(configure, few_variables):
    """A sweep from overrides."""
    return lambda *overrides: define(configure("nowhere", *overrides))


@pytest.fixture(scope="module")
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

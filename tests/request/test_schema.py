"""Sections of a config: booleans are no numbers, and the kind that a setting's values have on an axis."""

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from pipeline.schema import Fraction, NonNegative, Positive, Real, Section, kind_of
from pipeline.systems import find


class Settings(Section):
    whole: int = Field(default=1, ge=1)
    real: float = 1.0
    finite: Real = 1.0
    positive: Positive = 1.0
    non_negative: NonNegative = 1.0
    fraction: Fraction = 1.0
    optional: int | None = None
    either: float | int = 1.0
    listed: list[Real] = Field(default_factory=list)
    flag: bool = False
    flag_or_number: bool | float = False
    optional_flag: bool | None = None
    text: str = ""
    choice: Literal["a", "b"] = "a"


NUMBERS = ("whole", "real", "finite", "positive", "non_negative", "fraction", "optional", "either")
FLAGS = ("flag", "flag_or_number", "optional_flag")


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_boolean_is_refused_for_a_number(name, value):
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: value})
    (fault,) = refused.value.errors()
    assert (fault["loc"], fault["msg"]) == ((name,), "a number")


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", FLAGS)
def test_a_boolean_is_accepted_where_it_is_meant(name, value):
    assert getattr(Settings.model_validate({name: value}), name) is value


def test_a_boolean_is_refused_inside_a_list_of_numbers():
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"listed": [1.0, True]})
    assert [fault["loc"] for fault in refused.value.errors()] == [("listed", 1)]


def test_unknown_keys_are_refused_and_sections_stay_as_they_are():
    with pytest.raises(ValidationError, match="reall"):
        Settings.model_validate({"reall": 1.0})
    with pytest.raises(ValidationError, match="frozen"):
        Settings().real = 2.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("whole", "whole"), ("real", "real"), ("finite", "real"), ("positive", "real"), ("non_negative", "real"),
        ("fraction", "real"), ("optional", "label"), ("either", "label"), ("listed", "label"), ("flag", "label"),
        ("flag_or_number", "label"), ("text", "label"), ("choice", "label"),
    ],
)  # fmt: skip
def test_the_values_of_a_setting_are_whole_real_or_labels(name, kind):
    assert kind_of(Settings, name) == kind


@pytest.mark.parametrize(
    ("system", "labels"),
    [
        ("kuramoto", {"frequencies"}),
        ("kuramoto_continuous", {"frequencies"}),
        ("network", {"patterns", "error"}),
    ],
)
def test_of_the_systems_settings_only_those_that_are_no_numbers_are_labels(system, labels):
    model = find(system).settings
    assert {name for name in model.model_fields if kind_of(model, name) == "label"} == labels
    assert kind_of(model, "delay") == kind_of(model, "iterations") == "whole"
    assert kind_of(model, "eta") == "real"

"""Base of all config sections: unknown keys are errors, booleans are not numbers."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "a number")
    return value


Real = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
"""A finite number."""


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

Kind = Literal["whole", "real", "label"]
"""What the values of a setting are, as an axis: integers, doubles, or labels: strings, booleans, lists."""


class Section(BaseModel):
    """A checked part of a config, unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool):  # first: a sweep of a million points asks for every setting of every point
            assert info.field_name is not None
            return _no_boolean(value) if _takes_numbers(cls.model_fields[info.field_name]) else value
        return value


def _takes_numbers(field: FieldInfo) -> bool:
    """Whether a field is a number, or a number or something else; not one that may be a boolean."""
    annotation = field.annotation
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return bool({int, float}.intersection(kinds)) and bool not in kinds


def kind_of(model: type[BaseModel], name: str) -> Kind:
    """What the values of a setting are.

    Args:
        model: the settings of a system.
        name: a setting.

    Returns:
        "whole", "real" or "label".

    Raises:
        KeyError: there is no such setting.
    """
    annotation = model.model_fields[name].annotation
    if annotation is int:
        return "whole"
    return "real" if annotation is float else "label"

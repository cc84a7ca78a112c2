"""What all sections of a request have in common: unknown keys are faults, and yes is no number."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A checked part of a config, unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        wants_boolean = "bool" in str(cls.model_fields[info.field_name].annotation)
        if not wants_boolean and any(isinstance(v, bool) for v in (value if isinstance(value, list) else [value])):
            raise PydanticCustomError("boolean", "a number")
        return value

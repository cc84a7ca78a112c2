"""Types of fields that several sections have: paths, and text that matches a pattern."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from pipeline.words import expanded, refused_address

_MOST_SECONDS = 1e7
"""Of any wait: four months, which every timer of the system can count."""

Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS)]
SomeSeconds = Annotated[float, Field(gt=0, le=_MOST_SECONDS)]


def like(pattern: str, words: str) -> BeforeValidator:
    """Text that matches a pattern as a whole; faults say what it should be in words."""

    def checked(text: Any) -> Any:
        if not isinstance(text, str) or not re.fullmatch(pattern, text):
            raise PydanticCustomError("like", words)
        return text

    return BeforeValidator(checked)


def local_path(path: Any) -> Any:
    """A path, `~` and variables replaced, that a file system can hold.

    Args:
        path: as it was given; anything but text is left to its type.

    Returns:
        The path.

    Raises:
        ValueError: an address, an unknown user or variable, or names that none can have; as what was expected.
    """
    if why := refused_address(path):
        raise ValueError(why)
    if not isinstance(path, str):
        return path
    if not path:
        raise ValueError("a path")
    path = expanded(path)
    if re.search(r"[\x00-\x1f\x7f]", path) or any(len(os.fsencode(name)) > 255 for name in path.split("/")):
        raise ValueError("a path without control characters, each name in it of at most 255 bytes")
    return path


LocalPath = Annotated[Path, BeforeValidator(local_path)]

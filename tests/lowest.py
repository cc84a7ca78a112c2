"""Print the lowest versions that pyproject.toml allows, as constraints for pip: `name==version`, one a line."""

import re
import tomllib
from pathlib import Path

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(requirement: str) -> str:
    """`name==version` of a requirement `name>=version`, which may bound the version from above too."""
    found = re.match(r"([\w.-]+)>=([\w.]+)", requirement)
    if found is None:
        raise SystemExit(f"{_PROJECT.name}: expected name>=version, got {requirement!r}; name its lowest version")
    return "==".join(found.groups())


if __name__ == "__main__":
    project = tomllib.loads(_PROJECT.read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        print(lowest(requirement))

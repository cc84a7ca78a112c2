"""The blocks of the benchmark `small_blocks` as a system of this project; copied into a folder for `--config-dir`."""

from pydantic import Field
from small_blocks_work import SERIES, block

from pipeline.schema import Real, Section
from pipeline.systems import ITERATION, System, Variable


class Settings(Section):
    level: Real
    iterations: int = Field(ge=1)


def compute(settings, seed, members, records):
    """Every variable of some members, (member, …)."""
    return block(settings["level"], seed, members)


SYSTEM = System(
    settings=Settings,
    dimensions=(ITERATION,),
    variables=(
        *(Variable(name, ("iteration",), f"{name} series") for name in SERIES),
        Variable("mark", (), "level plus the mean of the series"),
    ),
    compute=compute,
)

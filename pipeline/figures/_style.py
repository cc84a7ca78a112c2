"""How all figures look, whatever a user's own style is: type of 7 points and more."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import matplotlib as mpl

_STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.titlesize": 8,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "autonomous-learning",
}

_ALONE = RLock()
"""The style that holds is one of the process: threads draw one after the other."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of this project; the user's own may need fonts or TeX that are not here."""
    with _ALONE, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield

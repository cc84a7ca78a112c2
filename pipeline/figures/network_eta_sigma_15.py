"""Figure 3b: mean final error over drift strength η and noise strength σ, fifteen patterns."""

from pipeline.figures._network import error_map as draw

AXES = ("eta", "sigma")
"""The axes of the sweep that it draws."""

__all__ = ["draw"]

"""Figure 3a: mean final error over drift strength η and noise strength σ, five patterns."""

from pipeline.figures._network import error_map as draw

AXES = ("eta", "sigma")
"""The axes of the sweep that it draws."""
VARIABLES = ("final_error",)

__all__ = ["draw"]

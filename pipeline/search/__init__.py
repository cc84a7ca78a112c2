"""Where to look: which settings matter, from stored points alone."""

from pipeline.search.indices import Indices, indices_of, sensitivity, sensitivity_lines

__all__ = ["Indices", "indices_of", "sensitivity", "sensitivity_lines"]

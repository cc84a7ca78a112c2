"""Parameter sweeps of the systems in `sim`: planned, computed on Dask workers, stored in Zarr, drawn."""

from pipeline.store.stores import open_sweep

__all__ = ["open_sweep"]

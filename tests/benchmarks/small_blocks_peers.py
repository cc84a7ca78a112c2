"""What else one could have used for many small blocks, each as its documentation says and with two processes.

    python -m tests.benchmarks.small_blocks_peers NAME FOLDER POINTS BLOCKS

runs one of them in a process of its own: all blocks of all points, their numbers into the folder. Each module is
imported by its contestant alone. Readers are (folder, level, number, blocks a point) → the numbers of a block by name.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.benchmarks.small_blocks_work import LENGTH, MEMBERS, SERIES, numbered

WORKERS = 2
BATCHES = 40
"""Of a crop: 20 a worker, as pipefunc chooses by itself."""
NAMES = (*SERIES, "mark")
_DIMS = {**dict.fromkeys(SERIES, ("member", "record")), "mark": ("member",)}


def pipefunc(folder, points, blocks):
    """A map with the storage `file_array`: a pickle a block, written by the processes of a pool."""
    from concurrent.futures import ProcessPoolExecutor

    from pipefunc import PipeFunc, Pipeline

    function = PipeFunc(numbered, "values", mapspec="level[i], number[j] -> values[i, j]")
    inputs = {"level": list(range(points)), "number": list(range(blocks))}
    with ProcessPoolExecutor(WORKERS) as executor:
        Pipeline([function]).map(
            inputs, run_folder=folder / "run", executor=executor, storage="file_array", return_results=False
        )


def read_pipefunc(folder, level, number, blocks):
    from pipefunc.map import load_outputs

    return load_outputs("values", run_folder=folder / "run")[level, number]


def _harvester(folder):
    import xyzpy

    runner = xyzpy.Runner(
        numbered_as_tuple,
        var_names=NAMES,
        var_dims=_DIMS,
        var_coords={"member": np.arange(MEMBERS), "record": np.arange(LENGTH)},
    )
    return xyzpy.Harvester(runner, data_name=str(folder / "all.h5"))


def numbered_as_tuple(level, number):
    """As xyzpy wants the variables."""
    return tuple(numbered(level, number).values())


def xyzpy_harvester(folder, points, blocks):
    """`harvest_combos`: results come back to one process, which writes one netCDF file at the end."""
    combos = {"level": range(points), "number": range(blocks)}
    _harvester(folder).harvest_combos(combos, num_workers=WORKERS, parallel=True, verbosity=0)


def xyzpy_crop(folder, points, blocks):
    """A crop: batches on disk before and after, gathered into one netCDF file and removed at the end."""
    combos = {"level": range(points), "number": range(blocks)}
    crop = _harvester(folder).Crop(name="crop", parent_dir=str(folder), num_batches=min(BATCHES, points * blocks))
    crop.sow_combos(combos, verbosity=0)
    crop.grow_missing(num_workers=WORKERS, parallel=True, verbosity=0, verbosity_grow=0)
    crop.reap(verbosity=0)


def read_xyzpy(folder, level, number, blocks):
    import xarray

    with xarray.open_dataset(folder / "all.h5", engine="h5netcdf") as dataset:
        return {name: dataset[name].sel(level=level, number=number).values for name in NAMES}


def joblib_netcdf(folder, points, blocks):
    """One netCDF file a point, written by xarray and h5netcdf in the processes."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=WORKERS)(delayed(write_netcdf)(folder, level, blocks) for level in range(points))


def write_netcdf(folder, level, blocks):
    import xarray

    parts = [numbered(level, number) for number in range(blocks)]
    values = {name: np.concatenate([part[name] for part in parts]) for name in NAMES}
    dataset = xarray.Dataset({name: (_DIMS[name], values[name]) for name in NAMES}, attrs={"level": level})
    dataset.to_netcdf(folder / f"{level}.nc", engine="h5netcdf")


def read_netcdf(folder, level, number, blocks):
    import xarray

    with xarray.open_dataset(folder / f"{level}.nc", engine="h5netcdf") as dataset:
        members = dataset.isel(member=slice(MEMBERS * number, MEMBERS * (number + 1)))
        return {name: members[name].values for name in NAMES}


def joblib_npz(folder, points, blocks):
    """One file of `np.savez` a block, written in the processes: what one writes without any library."""
    from joblib import Parallel, delayed

    Parallel(n_jobs=WORKERS)(
        delayed(write_npz)(folder, level, number) for level in range(points) for number in range(blocks)
    )


def write_npz(folder, level, number):
    np.savez(folder / f"{level}-{number}.npz", **numbered(level, number))


def read_npz(folder, level, number, blocks):
    with np.load(folder / f"{level}-{number}.npz") as values:
        return {name: values[name] for name in NAMES}


def dask_npz(folder, points, blocks):
    """`client.map` over TLS and `client.gather`; one `np.savez` at the end, and nothing on disk before it."""
    np.savez(folder / "all.npz", **_gathered(points, blocks))


def dask_zarr(folder, points, blocks):
    """The same with one Zarr group at the end, with default codecs, in chunks of 256 blocks."""
    import zarr

    group = zarr.open_group(folder / "all.zarr", mode="w")
    for name, array in _gathered(points, blocks).items():
        group.create_array(name, data=array, chunks=(min(256, len(array)), *array.shape[1:]))


def _gathered(points, blocks):
    from distributed import Client, LocalCluster
    from distributed.security import Security

    levels, numbers = np.divmod(np.arange(points * blocks), blocks)
    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            security=Security.temporary(),
            protocol="tls://",
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        Client(cluster, security=cluster.security) as client,
    ):
        gathered = client.gather(client.map(numbered, levels.tolist(), numbers.tolist(), pure=False))
    return {name: np.stack([values[name] for values in gathered]) for name in NAMES}


def read_all_npz(folder, level, number, blocks):
    with np.load(folder / "all.npz") as arrays:
        return {name: arrays[name][level * blocks + number] for name in NAMES}


def read_all_zarr(folder, level, number, blocks):
    import zarr

    group = zarr.open_group(folder / "all.zarr", mode="r")
    return {name: group[name][level * blocks + number] for name in NAMES}


class Peer(NamedTuple):
    """One way to compute and keep the blocks."""

    run: Callable[[Path, int, int], None]
    """(folder, points, blocks a point)."""
    read: Callable[[Path, int, int, int], Mapping[str, np.ndarray]]
    needs: tuple[str, ...]
    """Modules without which it can't take part."""


PEERS = {
    "pipefunc": Peer(pipefunc, read_pipefunc, ("pipefunc",)),
    "xyzpy Harvester": Peer(xyzpy_harvester, read_xyzpy, ("xyzpy", "h5netcdf")),
    "xyzpy Crop": Peer(xyzpy_crop, read_xyzpy, ("xyzpy", "h5netcdf")),
    "joblib, netCDF a point": Peer(joblib_netcdf, read_netcdf, ("joblib", "h5netcdf")),
    "joblib, npz a block": Peer(joblib_npz, read_npz, ("joblib",)),
    "Dask gather, one npz": Peer(dask_npz, read_all_npz, ()),
    "Dask gather, one Zarr": Peer(dask_zarr, read_all_zarr, ()),
}


if __name__ == "__main__":
    name, folder, points, blocks = sys.argv[1:]
    PEERS[name].run(Path(folder), int(points), int(blocks))

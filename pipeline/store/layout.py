"""What a store says of itself at its root, and what every array of it has to be by that.

The root is written as a whole when a store is made or grows, with a checksum. The metadata of all arrays follows from
it, so that a file that was exchanged or edited is found by comparison. The **sweep id** hashes what determines the
numbers: fingerprint, kinds of the axes, variables and the coordinates that all points share.

array                      dims                    content
one per axis (`T`, …)      point                   swept values, in order of arrival
point_id                   point                   what the point is known by: a hash of its values and their types
asked                      point                   the largest number of members ever asked for
<dimension>                <dimension>             a coordinate that all points share
<dimension>_at             point, <dimension>      one that differs from point to point, filled up with NaN
variables of the system    point, member, …        float64, NaN where not computed
status                     point, member           0 missing, 1 done, 2 diverged
hashes                     point, block, variable  of every variable of a block; in the order of the root's `hashed`
digest                     point, block            0 not filed, else what binds sweep, point, block, code and hashes
code, machine, seconds     point, block            digests of the code and machine that made it; time it took
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline.digest import as_hex, digest_of
from pipeline.request import MOST_BLOCKS, Sweep
from pipeline.schema import kind_of
from pipeline.store.chunks import LEVEL, hash_of
from pipeline.systems import COMPUTED, DIVERGED, MISSING, Dimension

SCHEMA = 3
BOOKKEEPING = {"hashes": "<u8", "digest": "<u8", "code": "<u8", "machine": "<u8", "seconds": "<f8"}
"""Arrays (point, block, …) of what is known of a block."""
TILE_BLOCKS, TILE_BYTES = 2048, 256_000_000
_ROOM, _MOST_ROWS = 3, 256
"""Files have room for three times the points that a store is made for, up to 256: for points that come later."""
_POINTS_A_CHUNK = 4096
_AT_BYTES = 1_000_000
_AXIS_TYPES = {"whole": "<i8", "real": "<f8", "label": "string"}
_ZARR_TYPES = {"<f8": "float64", "<i8": "int64", "<u8": "uint64", "|u1": "uint8", "string": "string"}

Document = dict[str, Any]


class Array(NamedTuple):
    """An array of a store: all of its metadata but the extent along points, members and blocks."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    """Of NumPy, or "string"."""
    fill: Any
    chunk: tuple[int, ...]
    """Shape of a file."""
    inner: tuple[int, ...] | None
    """Shape of a chunk within a shard; None: a file is one chunk."""
    sizes: tuple[int, ...]
    """Length of every dimension that does not grow; 0 for the others."""
    attributes: dict[str, Any]

    def document(self, extent: Mapping[str, int]) -> Document:
        """The metadata as Zarr has it.

        Args:
            extent: length along `point`, `member` and `block`.

        Returns:
            What its zarr.json says.
        """
        codecs: list[Document] = [_codec("vlen-utf8") if self.dtype == "string" else _little_endian(self.dtype)]
        codecs += [_codec("zstd", level=LEVEL, checksum=False), _codec("crc32c")]
        if self.inner is not None:
            index = [_little_endian("<u8"), _codec("crc32c")]
            codecs = [
                _codec(
                    "sharding_indexed", chunk_shape=list(self.inner), codecs=codecs, index_codecs=index,
                    index_location="end",
                )
            ]  # fmt: skip
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [extent.get(dim, size) for dim, size in zip(self.dims, self.sizes, strict=True)],
            "data_type": _ZARR_TYPES[self.dtype],
            "chunk_grid": _codec("regular", chunk_shape=list(self.chunk)),
            "chunk_key_encoding": _codec("default", separator="."),
            "fill_value": "NaN" if isinstance(self.fill, float) and np.isnan(self.fill) else self.fill,
            "codecs": codecs,
            "attributes": self.attributes,
            "dimension_names": list(self.dims),
            "storage_transformers": [],
        }

    def file(self, *place: int) -> str:
        """The name of the file at a place of the grid of files; places left out are 0."""
        whole = (*place, *(0,) * (len(self.dims) - len(place)))
        return f"{self.name}/c.{'.'.join(map(str, whole))}"


def _codec(name: str, **configuration: Any) -> Document:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


def _little_endian(dtype: str) -> Document:
    return _codec("bytes", endian="little") if dtype != "|u1" else _codec("bytes")


class AxisPart(NamedTuple):
    """An axis of a store."""

    name: str
    coordinate: str
    """The array of its values."""
    kind: Literal["whole", "real", "label"]
    symbol: str
    units: str


class DimensionPart(NamedTuple):
    """A dimension of variables beside point and member."""

    name: str
    size: int
    """Room for values."""
    hash: int
    """Of the coordinate; 0 if it differs from point to point."""
    dtype: str
    long_name: str
    units: str

    @property
    def varies(self) -> bool:
        """Whether the coordinate differs from point to point."""
        return not self.hash


class VariablePart(NamedTuple):
    """A variable of a store."""

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str


@dataclass(frozen=True)
class Layout:
    """What a store says of itself."""

    fingerprint: dict[str, Any]
    axes: tuple[AxisPart, ...]
    dimensions: tuple[DimensionPart, ...]
    variables: tuple[VariablePart, ...]
    """Those of a length above 0, without `status`."""
    tile: tuple[int, int]
    """Points and blocks of a file."""
    points: int
    blocks: int
    """Blocks a point that there is room for."""

    @property
    def block_members(self) -> int:
        """Members a block."""
        return int(self.fingerprint["block_members"])

    @property
    def members(self) -> int:
        """Members a point that there is room for."""
        return self.blocks * self.block_members

    @property
    def is_possible(self) -> bool:
        """Whether there can be a store of that extent."""
        least = [self.block_members, *self.tile, self.points, self.blocks]
        sizes = [dimension.size for dimension in self.dimensions]
        whole = all(type(number) is int for number in (*least, *sizes)) and min(least) > 0 <= min(sizes, default=0)
        return whole and self.points * self.blocks <= MOST_BLOCKS

    @cached_property
    def room(self) -> dict[str, int]:
        """Dimension → room for values."""
        return {dimension.name: dimension.size for dimension in self.dimensions}

    @property
    def varying(self) -> tuple[str, ...]:
        """Dimensions whose coordinate differs from point to point."""
        return tuple(dimension.name for dimension in self.dimensions if dimension.varies)

    @property
    def hashed(self) -> tuple[str, ...]:
        """What a block consists of: the variables in the order of `hashes`, `status` last."""
        return (*(variable.name for variable in self.variables), "status")

    @cached_property
    def sweep_id(self) -> int:
        """64-bit hash of what determines the numbers of the store."""
        told = {
            "fingerprint": self.fingerprint,
            "axes": sorted([axis.name, axis.kind] for axis in self.axes),
            "dimensions": [[d.name, d.hash] for d in self.dimensions],
            "variables": [[variable.name, variable.dims] for variable in self.variables],
        }
        return digest_of(_canonical(told))

    def grown(self, points: int, blocks: int) -> "Layout":
        """The same with another extent."""
        return replace(self, points=points, blocks=blocks)

    # --- the root -------------------------------------------------------------------------------------------

    def root(self) -> Document:
        """What the store's own zarr.json says."""
        at_points = [axis.coordinate for axis in self.axes] + [f"{name}_at" for name in self.varying]
        attributes = {
            "schema": SCHEMA,
            "sweep_id": as_hex(self.sweep_id),
            "fingerprint": self.fingerprint,
            "axes": [axis._asdict() for axis in self.axes],
            "dimensions": [{**d._asdict(), "hash": as_hex(d.hash)} for d in self.dimensions],
            "variables": [{**v._asdict(), "dims": list(v.dims)} for v in self.variables],
            "hashed": list(self.hashed),
            "tile": list(self.tile),
            "points": self.points,
            "blocks": self.blocks,
            "coordinates": " ".join(["point_id", *at_points]),
        }
        attributes["checksum"] = _checksum(attributes)
        return {"zarr_format": 3, "node_type": "group", "attributes": attributes}

    @classmethod
    def of_root(cls, document: Document) -> "Layout":
        """The layout that a root says.

        Args:
            document: its zarr.json, of this schema.

        Returns:
            The layout.

        Raises:
            ValueError: it was edited or damaged; in words.
        """
        told = document.get("attributes")
        if not isinstance(told, dict) or told.get("checksum") != _checksum(told):
            raise ValueError("its checksum does not fit")
        if document.get("node_type") != "group" or document.get("zarr_format") != 3:
            raise ValueError("it is no Zarr group of format 3")
        layout = cls(
            fingerprint=told["fingerprint"],
            axes=tuple(AxisPart(**axis) for axis in told["axes"]),
            dimensions=tuple(DimensionPart(**{**d, "hash": int(d["hash"], 16)}) for d in told["dimensions"]),
            variables=tuple(VariablePart(**{**v, "dims": tuple(v["dims"])}) for v in told["variables"]),
            tile=(told["tile"][0], told["tile"][1]),
            points=told["points"],
            blocks=told["blocks"],
        )
        if as_hex(layout.sweep_id) != told["sweep_id"]:
            raise ValueError("its sweep id does not fit")
        if not (layout.is_possible and layout.arrays):  # KeyError of an unknown kind
            raise ValueError("expected numbers of points, blocks and members that a store can have")
        return layout

    # --- the arrays -----------------------------------------------------------------------------------------

    @property
    def extent(self) -> dict[str, int]:
        """Length of every dimension that grows."""
        return {"point": self.points, "member": self.members, "block": self.blocks}

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """All arrays of the store by name."""
        parts = [*self._of_points(), *self._of_dimensions(), *self._of_members(), *self._of_blocks()]
        return {array.name: array for array in parts}

    def _of_points(self) -> list[Array]:
        named: list[tuple[str, str, dict[str, Any]]] = [
            (axis.coordinate, _AXIS_TYPES[axis.kind], _labels(axis.name, axis.units, symbol=axis.symbol))
            for axis in self.axes
        ]
        named.append(("point_id", "<u8", {"long_name": "what the point is known by"}))
        named.append(("asked", "<i8", {"long_name": "largest number of members ever asked for"}))
        return [
            Array(
                name, ("point",), dtype, "" if dtype == "string" else 0, (_POINTS_A_CHUNK,), None, (0,), attributes
            )
            for name, dtype, attributes in named
        ]

    def _of_dimensions(self) -> list[Array]:
        arrays = []
        for d in self.dimensions:
            if not d.size:
                continue
            long_name = f"index of {d.name}" if d.varies else d.long_name
            dtype = "<i8" if d.varies else d.dtype
            arrays.append(
                Array(d.name, (d.name,), dtype, 0, (d.size,), None, (d.size,), _labels(long_name, d.units))
            )
            if d.varies:
                chunk = max(1, min(_POINTS_A_CHUNK, _AT_BYTES // (8 * d.size))), d.size
                attributes = _labels(d.long_name, d.units)
                arrays.append(
                    Array(
                        f"{d.name}_at",
                        ("point", d.name),
                        "<f8",
                        float("nan"),
                        chunk,
                        None,
                        (0, d.size),
                        attributes,
                    )
                )
        return arrays

    def _of_members(self) -> list[Array]:
        rows, blocks = self.tile
        members = blocks * self.block_members
        arrays = []
        for variable in self.variables:
            sizes = tuple(self.room[dim] for dim in variable.dims)
            arrays.append(
                Array(
                    variable.name,
                    ("point", "member", *variable.dims),
                    "<f8",
                    float("nan"),
                    (rows, members, *sizes),
                    (1, self.block_members, *sizes) if sizes else None,
                    (0, 0, *sizes),
                    _labels(variable.long_name, variable.units),
                )
            )
        meaning = {"flag_values": [MISSING, COMPUTED, DIVERGED], "flag_meanings": "missing computed diverged"}
        attributes = {"long_name": "status of the member", **meaning}
        arrays.append(
            Array("status", ("point", "member"), "|u1", MISSING, (rows, members), None, (0, 0), attributes)
        )
        return arrays

    def _of_blocks(self) -> list[Array]:
        count = len(self.hashed)
        arrays = [
            Array("hashes", ("point", "block", "variable"), "<u8", 0, (*self.tile, count), None, (0, 0, count), {})
        ]
        for name in ("digest", "code", "machine", "seconds"):
            dtype = BOOKKEEPING[name]
            fill = 0.0 if dtype == "<f8" else 0
            arrays.append(Array(name, ("point", "block"), dtype, fill, self.tile, None, (0, 0), {}))
        return arrays


def _labels(long_name: str, units: str, **more: Any) -> dict[str, Any]:
    return {"long_name": long_name, "units": units, **more}


def _canonical(told: Any) -> bytes:
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")  # names of files may be no UTF-8


def _checksum(attributes: Mapping[str, Any]) -> str:
    return as_hex(digest_of(_canonical({key: value for key, value in attributes.items() if key != "checksum"})))


def sealed(record: Mapping[str, Any]) -> bytes:
    """A record of a run, of a machine or of code, with a checksum.

    Args:
        record: what JSON can hold.

    Returns:
        The content of its file.
    """
    told = json.loads(json.dumps(dict(record)))
    whole = {**told, "checksum": _checksum(told)}
    try:
        return json.dumps(whole, indent=1, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # the name of a file that is no UTF-8
        return json.dumps(whole, indent=1).encode()


def unsealed(content: bytes) -> Document:
    """The record in a file.

    Args:
        content: of the file.

    Returns:
        The record.

    Raises:
        ValueError: it was edited or is damaged; in words.
    """
    told = json.loads(content)
    if not isinstance(told, dict) or told.pop("checksum", None) != _checksum(told):
        raise ValueError("its checksum does not fit")
    return told


# --- of a sweep -------------------------------------------------------------------------------------------


def layout_of(sweep: Sweep) -> Layout:
    """The layout of a store for a sweep.

    Args:
        sweep: whose points and members it is to hold.

    Returns:
        The layout, with room for all of the sweep.

    Raises:
        RequestError: a coordinate of its system can't be computed.
    """
    system = sweep.system
    symbols = {axis: system.symbols.get(axis, (axis, "1")) for axis in sweep.axes}
    axes = tuple(
        AxisPart(axis, system.coordinate_of(axis), kind_of(system.settings, axis), *symbols[axis])
        for axis in sweep.axes
    )
    dimensions = tuple(_dimension(sweep, dimension) for dimension in system.dimensions)
    room = {dimension.name: dimension.size for dimension in dimensions}
    variables = tuple(
        VariablePart(v.name, v.dims, v.long_name, v.units)
        for v in system.variables
        if all(room[dim] for dim in v.dims)
    )
    block_bytes = 8 * sweep.block_members * sum(int(np.prod([room[dim] for dim in v.dims])) for v in variables)
    return Layout(
        fingerprint=json.loads(json.dumps(sweep.fingerprint)),
        axes=axes,
        dimensions=dimensions,
        variables=variables,
        tile=_tile(len(sweep.points), block_bytes),
        points=len(sweep.points),
        blocks=sweep.blocks,
    )


def _tile(points: int, block_bytes: int) -> tuple[int, int]:
    """Points and blocks of a file: all points of the sweep and some to come, by as many blocks as fill it.

    So few points with many blocks take as few files as many points with few blocks.
    """
    most = int(min(TILE_BLOCKS, max(1, TILE_BYTES // max(1, block_bytes))))
    rows = min(most, max(points, min(_ROOM * points, _MOST_ROWS)))
    return rows, max(1, most // rows)


def varies(sweep: Sweep, dimension: Dimension) -> bool:
    """Whether a dimension's coordinate differs from point to point."""
    return any(axis in dimension.depends_on for axis in sweep.axes)


def coordinates_at(sweep: Sweep, dimension: Dimension, points: Any) -> list[np.ndarray]:
    """A dimension's coordinate at each of some points."""
    return [dimension.values(sweep.settings_at(point), sweep.records) for point in points]


def _dimension(sweep: Sweep, dimension: Dimension) -> DimensionPart:
    labels = dimension.long_name, dimension.units
    if varies(sweep, dimension):
        size = max(map(len, coordinates_at(sweep, dimension, sweep.points)))
        return DimensionPart(dimension.name, size, 0, "<f8", *labels)
    values = as_coordinate(coordinates_at(sweep, dimension, sweep.points[:1])[0])
    return DimensionPart(dimension.name, len(values), hash_of(values), values.dtype.str, *labels)


def as_coordinate(values: np.ndarray) -> np.ndarray:
    """A coordinate in a type that stores know: whole numbers or doubles."""
    return np.ascontiguousarray(values, dtype="<f8" if values.dtype.kind == "f" else "<i8")

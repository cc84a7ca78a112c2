"""Chunks as Zarr keeps them: bytes compressed by Zstandard with a CRC-32C behind, and many of them joined to a shard.

Source: Zarr core specification 3.0; its codecs `bytes`, `vlen-utf8`, `zstd`, `crc32c` and `sharding_indexed`.
"""

import struct
import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import google_crc32c
import numpy as np
import zstandard

LEVEL = 1
_MOST_A_TEXT = 2**16
"""Bytes that a text of a chunk takes on average: no more memory is taken on the word of a file."""
_NOWHERE = 2**64 - 1
"""In the index of a shard: there is no such chunk."""
_local = threading.local()  # compressors are no good in two threads at once


class BadChunk(ValueError):  # noqa: N818 (a state of bytes)
    """Bytes that are no chunk of the kind expected."""


def encoded(values: np.ndarray) -> bytes:
    """An array as a chunk.

    Args:
        values: numbers, or text as objects or as NumPy's strings.

    Returns:
        Its bytes, compressed, with their checksum.
    """
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=LEVEL)
    raw = _as_text(values) if values.dtype.kind in "OUT" else np.ascontiguousarray(values).tobytes()
    return checked(_local.compressor.compress(raw))


def decoded(chunk: bytes, dtype: str, shape: Sequence[int]) -> np.ndarray:
    """The array in a chunk.

    Args:
        chunk: from `encoded`.
        dtype: of NumPy, or "string".
        shape: of the array.

    Returns:
        The array; text as objects. It may be read-only.

    Raises:
        BadChunk: it is no such chunk.
    """
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    count = int(np.prod(shape))
    size = None if dtype == "string" else count * np.dtype(dtype).itemsize
    compressed = unchecked(chunk)
    try:
        length = zstandard.get_frame_parameters(compressed).content_size
        if length != size if size is not None else length > _MOST_A_TEXT * (count + 1):
            raise BadChunk(f"expected {size or 'texts in fewer'} bytes, got {length}")
        raw = _local.decompressor.decompress(compressed)
    except (zstandard.ZstdError, MemoryError) as error:
        raise BadChunk(str(error)) from error
    if dtype == "string":
        return _from_text(raw, count).reshape(shape)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def _as_text(values: np.ndarray) -> bytes:
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join([struct.pack("<I", len(texts)), *(struct.pack("<I", len(text)) + text for text in texts)])


def _from_text(raw: bytes, count: int) -> np.ndarray:
    texts, at = np.empty(count, dtype=object), 4
    try:
        if struct.unpack_from("<I", raw)[0] != count:
            raise BadChunk(f"expected {count} texts")
        for k in range(count):
            (length,) = struct.unpack_from("<I", raw, at)
            texts[k], at = raw[at + 4 : at + 4 + length].decode(), at + 4 + length
    except (struct.error, UnicodeDecodeError) as error:
        raise BadChunk("expected texts") from error
    return texts


def checked(content: bytes) -> bytes:
    """Some bytes, with their CRC-32C behind."""
    return content + struct.pack("<I", google_crc32c.value(content))


def unchecked(content: bytes) -> bytes:
    """Some bytes, without the CRC-32C behind.

    Raises:
        BadChunk: it is not theirs.
    """
    body = content[:-4]
    if len(content) < 4 or struct.pack("<I", google_crc32c.value(body)) != content[-4:]:
        raise BadChunk("its checksum does not fit")
    return body


# --- shards -----------------------------------------------------------------------------------------------


def index_size(count: int) -> int:
    """Bytes of the index at the end of a shard of so many chunks."""
    return 16 * count + 4


def joined(chunks: Mapping[int, bytes], count: int) -> list[bytes]:
    """Encoded chunks as a shard.

    Args:
        chunks: place in the shard, in C order → chunk.
        count: how many places it has.

    Returns:
        The parts of its file: the chunks, then their index.
    """
    index = np.full((count, 2), _NOWHERE, dtype="<u8")
    places = sorted(chunks)
    lengths = np.array([len(chunks[place]) for place in places], dtype="<u8")
    index[places, 0] = np.cumsum(lengths) - lengths
    index[places, 1] = lengths
    return [*(chunks[place] for place in places), checked(index.tobytes())]


def shard_index(footer: bytes, count: int) -> np.ndarray:
    """Where the chunks of a shard are.

    Args:
        footer: the last `index_size(count)` bytes of its file.
        count: how many places it has.

    Returns:
        (place, 2) first byte and length; a length of −1: no such chunk.

    Raises:
        BadChunk: it is no such index.
    """
    body = unchecked(footer)
    if len(body) != 16 * count:
        raise BadChunk("it is cut short")
    return np.frombuffer(body, dtype="<u8").reshape(count, 2).astype(np.int64)


# --- hashes -----------------------------------------------------------------------------------------------


def hash_of(values: np.ndarray) -> int:
    """64-bit hash of an array: of its type, its shape and its bytes.

    Args:
        values: numbers or text.

    Returns:
        1 … 2^64 − 1: 0 stands for an array that is not there.
    """
    if values.dtype.kind in "OUT":
        return _as_number(blake2b(b"text" + _as_text(values), digest_size=8).digest())
    return int(hashes_of(values[None])[0])


def hashes_of(arrays: np.ndarray) -> np.ndarray:
    """`hash_of` of many arrays of one shape.

    Args:
        arrays: (array, …) numbers.

    Returns:
        (array,) 64-bit hashes.
    """
    arrays = np.ascontiguousarray(arrays)
    start = blake2b(f"{arrays.dtype.str}{arrays.shape[1:]}".encode() + b"\0", digest_size=8)
    size, raw = arrays[0].nbytes if len(arrays) else 0, memoryview(arrays.tobytes())
    found = []
    for k in range(len(arrays)):
        digest = start.copy()
        digest.update(raw[k * size : (k + 1) * size])
        found.append(digest.digest())
    return _as_numbers(found)


def digests_of(table: np.ndarray) -> np.ndarray:
    """A digest for each row of whole numbers.

    Args:
        table: (row, number) of unsigned 64-bit numbers.

    Returns:
        (row,) 1 … 2^64 − 1.
    """
    width, raw = 8 * table.shape[1], table.astype("<u8").tobytes()
    return _as_numbers([blake2b(raw[at : at + width], digest_size=8).digest() for at in range(0, len(raw), width)])


def _as_numbers(digests: Sequence[bytes]) -> np.ndarray:
    numbers = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
    return np.maximum(numbers, np.uint64(1))


def _as_number(digest: bytes) -> int:
    return int.from_bytes(digest, "little") or 1

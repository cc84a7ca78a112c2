"""Digests: 64-bit BLAKE2b hashes as numbers, and as the 16 hexadecimal digits they are shown by."""

import hashlib
from collections.abc import Iterable


def digest_of(*parts: bytes) -> int:
    """64-bit hash of some bytes, one part after the other."""
    return digest_of_all(parts)


def digest_of_all(parts: Iterable[bytes]) -> int:
    """64-bit hash of many parts, which need not be in memory at once."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")


def as_hex(digest: int) -> str:
    """The 16 digits of a 64-bit number."""
    return f"{digest:016x}"

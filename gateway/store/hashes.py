"""64-bit hashes: the names by which keys, ids and texts lie in narrow indexes. The same everywhere and for ever."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b


def hash64(*parts: str) -> int:
    """A signed 64-bit hash of the parts, the same everywhere and for ever.

    >>> hash64("a", "b") == hash64("a", "b"), hash64("ab") == hash64("a", "b")
    (True, False)
    """
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big", signed=True)


def hex64(*parts: str) -> str:
    """``hash64`` as sixteen hexadecimal digits, for names of files and rows from which nobody can read the parts."""
    return f"{hash64(*parts) & (2**64 - 1):016x}"


@lru_cache(maxsize=1 << 14)
def id_hash(id_: str) -> int:
    """The 64-bit form of a resource id: the start of a UUID, else a hash of it.

    >>> id_hash("00000000-0000-5000-8000-000000000000"), id_hash("ffffffff-ffff-ffff-8000-000000000000")
    (20480, -1)
    """
    if len(id_) == 36 and id_[8] == id_[13] == id_[18] == id_[23] == "-":
        try:
            number = int(id_[:8] + id_[9:13] + id_[14:18], 16)
        except ValueError:
            return hash64("id", id_)
        return number - (1 << 64) if number >> 63 else number
    return hash64("id", id_)

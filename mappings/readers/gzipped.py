"""Files compressed by gzip: decompressed as they are read, and never without a bound.

Nothing is written to disk. What becomes too large, or too large for what it is, is damage: a bomb.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

from mappings.readers.zip import LARGEST, RATIO, SMALL

ENDING = ".gz"
_MAGIC = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Whether the file at ``path`` is compressed by gzip, by its first bytes. False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(2) == _MAGIC
    except OSError:
        return False


class Gzipped(io.RawIOBase):
    """The decompressed bytes of a file. Reading raises ``OSError``, ``EOFError`` or ``zlib.error`` for one that is
    damaged, cut off, or larger than it may become."""

    def __init__(self, path: Path):
        self._most = min(LARGEST, max(SMALL, RATIO * path.stat().st_size))
        self._inner = gzip.open(path, "rb")  # noqa: SIM115
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = self._inner.readinto(buffer)
        self._count += count
        if self._count > self._most:
            raise OSError("too large when decompressed")
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self, "_inner"):
            self._inner.close()
        super().close()

"""How far reading a delivery has come: the rows read, and how many there are likely to be by the bytes they took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

CHUNK = 1 << 20


class Reach:
    """Reading of files in their order. ``rows`` are those read so far."""

    def __init__(self, files: Sequence[Path]):
        self.rows = 0
        self._files, self._sizes = files, [file.stat().st_size for file in files]
        self._counted, self._lines = -1, 1

    def after(self, count: int, number: int, line: int) -> tuple[int, int]:
        """Take ``count`` more rows in, the last of them at ``line`` (0: it has none) of file ``number``; return how
        many are read and how many there are likely to be."""
        self.rows += count
        if number != self._counted:
            self._counted, self._lines = number, lines(self._files[number])
        within = min(line / self._lines, 1) if line else 0.5
        done = sum(self._sizes[:number]) + within * self._sizes[number]
        return self.rows, max(self.rows, round(self.rows * sum(self._sizes) / done)) if done else self.rows


def lines(file: Path) -> int:
    """How many lines a file has, whatever ends them; at least one."""
    feeds = returns = 0
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            feeds, returns = feeds + chunk.count(b"\n"), returns + chunk.count(b"\r")
    return max(feeds, returns, 1)

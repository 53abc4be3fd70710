"""One stream of the audit in a snapshot: its rows and its seals, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.store import chain, columns
from gateway.store.append_file import Reading
from gateway.store.chain import Row
from gateway.store.heads import Head
from gateway.store.session import Session

ROW, SEAL = columns.AUDIT.only("seq at event"), columns.SEAL.only("last rows hash")


class Stream:
    """One stream in a snapshot: its rows and its seals, a few at a time."""

    def __init__(self, snapshot: Session | Reading, where: str = "1 = 1", params: tuple[str, ...] = ()):
        self._snapshot, self._where, self._params = snapshot, where, params

    def rows(self) -> Iterator[Row]:
        """All rows in the order written."""
        return self._read(f"SELECT {ROW} FROM audit WHERE {self._where} ORDER BY seq")

    def events(self, limit: int | None) -> Iterable[Row]:
        """All rows, or the newest so many, in the order written."""
        if limit is None:
            return self.rows()
        return reversed([*self._read(f"SELECT {ROW} FROM audit WHERE {self._where} ORDER BY seq DESC LIMIT {limit:d}")])

    def naming(self, words: Sequence[str], since: int, most: int) -> list[Row]:
        """The newest ``most`` rows from a moment on (µs UTC) in which any of the words stands, in the order written.
        It reads every row of that time."""
        holds = " OR ".join("event LIKE ?" for _ in words)
        sql = f"SELECT {ROW} FROM audit WHERE {self._where} AND at >= {since:d} AND ({holds}) ORDER BY seq DESC"
        likes = (f"%{word}%" for word in words)
        return [*self._snapshot.stream(f"{sql} LIMIT {most:d}", *self._params, *likes)][::-1] if words else []

    def begins(self) -> int | None:
        """When the first row was written (µs UTC)."""
        first = next(self._read(f"SELECT {ROW} FROM audit WHERE {self._where} ORDER BY seq LIMIT 1"), None)
        return first[1] if first else None

    def seals(self) -> Iterator[chain.Seal]:
        """The seals over the rows, in their order."""
        return self._read(f"SELECT {SEAL} FROM seal WHERE {self._where} ORDER BY last")

    def head(self) -> Head:
        """The newest seal: the seq of its last row, and its hash."""
        newest = next(self._read(f"SELECT {SEAL} FROM seal WHERE {self._where} ORDER BY last DESC LIMIT 1"), None)
        return (newest[0], newest[2]) if newest else (0, "")

    def hash_at(self, last: int) -> str:
        """The hash of the seal that ends at a row; "" where none does."""
        seal = next(self._read(f"SELECT {SEAL} FROM seal WHERE {self._where} AND last = {last:d}"), None)
        return seal[2] if seal else ""

    def unsealed(self, most: int) -> tuple[int, int | None]:
        """How many rows come after the newest seal, ``most`` at most, and when the first was written."""
        after = f"SELECT at FROM audit WHERE {self._where} AND seq > {self.head()[0]:d} ORDER BY seq LIMIT {most:d}"
        counted = self._snapshot.stream(f"SELECT count(*), min(at) FROM ({after}) AS counted", *self._params)
        rows, oldest = next(counted)
        return rows, oldest

    def is_keyed(self) -> bool:
        """Whether any seal was made under a key."""
        return any(chain.is_keyed(seal) for seal in self.seals())

    def _read(self, sql: str) -> Iterator[tuple[int, int, str]]:
        yield from self._snapshot.stream(sql, *self._params)

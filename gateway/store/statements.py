"""The columns of a table as the parts of a plain SQL statement. ``columns.py`` holds one for each table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's name and its columns in order.

    >>> seal = Columns("seal", ("stream", "last", "rows", "hash"))
    >>> seal.all, seal.only("last hash"), seal.only("last hash", of="s")
    ('stream, last, rows, hash', 'last, hash', 's.last, s.hash')
    """

    table: str
    names: tuple[str, ...]

    @property
    def all(self) -> str:
        """Every column, for an INSERT whose rows are whole."""
        return ", ".join(self.names)

    def only(self, names: str, of: str = "") -> str:
        """Some of the columns, separated by spaces in ``names``; ``of`` is the table's alias in the statement.

        Raises ``KeyError`` for a name that the table does not have: a statement made at import fails at import.
        """
        chosen = names.split()
        if unknown := set(chosen) - set(self.names):
            raise KeyError(f"{self.table} has no column {', '.join(sorted(unknown))}")
        return ", ".join(f"{of}.{name}" if of else name for name in chosen)

"""What a failure of the database means: an outage has a name, and everything else stays the bug that it is.

Sources: https://www.sqlite.org/rescode.html and https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pysqlite3.dbapi2 as sqlite
import sqlalchemy.exc

from gateway.errors import Unavailable

AWAY, BUSY, DAMAGED, FULL, HANDLES, DISK = (
    "database-away", "database-busy", "database-damaged", "disk-full", "out-of-handles", "disk-failed",
)  # fmt: skip
WORDS = {
    AWAY: "the database is away",
    BUSY: "the database is busy: another process is writing",
    DAMAGED: "the database is damaged: an operator must restore it",
    FULL: "a disk is full",
    HANDLES: "the gateway has no more file handles or connections",
    DISK: "a disk cannot be read or written",
}
"""What the caller and the operator are told, by the code of the reason."""

_SQLITE = {
    5: BUSY, 6: BUSY, 7: HANDLES, 8: DISK, 10: DISK, 11: DAMAGED, 13: FULL, 14: HANDLES, 15: BUSY, 26: DAMAGED,
}  # fmt: skip
"""Primary result codes of SQLite: BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB."""
_NOT_TEXT = "Could not decode to UTF-8"
"""The driver's own error for text that is no text has no code."""
_POSTGRES = {
    "08": AWAY, "57P": AWAY, "25006": AWAY, "53100": FULL, "53200": HANDLES, "53300": HANDLES, "53400": HANDLES, "55P03": BUSY, "57014": BUSY,
    "40": BUSY, "XX001": DAMAGED, "XX002": DAMAGED, "58": DISK,
}  # fmt: skip
"""SQLSTATE, or the beginning of one. The longest that fits counts."""
_SYSTEM = {
    errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EMFILE: HANDLES, errno.ENFILE: HANDLES, errno.EIO: DISK, errno.EROFS: DISK,
}  # fmt: skip
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, zlib.error)
"""What reading raises for stored bytes that are not what was written."""


def meaning(error: BaseException, is_reading: bool = False) -> str | None:
    """The code of an outage; None for anything else. ``is_reading`` says that nothing but stored data was decoded."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        return meaning(error.orig, is_reading)
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return BUSY
    if isinstance(error, sqlite.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return DAMAGED if code is None and str(error).startswith(_NOT_TEXT) else _SQLITE.get((code or 0) & 0xFF)
    if isinstance(error, OSError):
        return _SYSTEM.get(error.errno or 0)
    if is_reading and isinstance(error, _UNREADABLE):
        return DAMAGED
    return _of_postgres(error)


def is_stores(error: BaseException) -> bool:
    """Whether an error is the database's or the machine's, so that the transaction it was raised in cannot go on."""
    kinds = (sqlalchemy.exc.SQLAlchemyError, sqlite.Error, OSError)
    return isinstance(error, kinds) or any(kind.__module__.startswith("psycopg") for kind in type(error).__mro__)


def _of_postgres(error: BaseException) -> str | None:
    """The meaning of an error of psycopg, which is imported only where PostgreSQL is used."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("psycopg")}
    if "Error" not in kinds:
        return None
    state = getattr(error, "sqlstate", None)
    if state is None:  # the connection itself failed
        return AWAY if kinds & {"OperationalError", "InterfaceError"} else None
    fitting = [known for known in _POSTGRES if state.startswith(known)]
    return _POSTGRES[max(fitting, key=len)] if fitting else None


def unavailable(code: str) -> Unavailable:
    """The exception for an outage."""
    return Unavailable(WORDS[code], code)


@contextmanager
def named(is_reading: bool = False) -> Iterator[None]:
    """Raise ``Unavailable`` with its reason for an outage of the database in the block. Anything else passes."""
    try:
        yield
    except Exception as error:
        code = meaning(error, is_reading)
        if code is None:
            raise
        raise unavailable(code) from None

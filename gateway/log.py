"""Named events, one JSON line each, with the few fields that may be read out in a corridor. Any other field is
refused."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from gateway import steering

FIELDS = frozenset(
    {"source", "rows", "rejects", "resources", "type", "count", "status", "request_id", "seconds", "route", "method", "job", "part", "project",
     "reason", "port", "mode", "kind", "state", "error",
     "subscription"}
)  # fmt: skip

_logger = logging.getLogger("gateway")
TELLING = (
    "sqlalchemy.engine.Engine",
    "uvicorn.access",
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
)
"""Loggers of others whose lines hold rows, URLs or headers: off for good, whatever level somebody sets."""


def _nothing(_: logging.LogRecord) -> bool:
    """A filter rather than ``disabled``, which ``logging.config`` sets back on every logger that it does not name."""
    return False


for _name in TELLING:
    logging.getLogger(_name).addFilter(_nothing)


def event(name: str, **fields: str | int | float) -> None:
    """Log one event. Raises ``TypeError`` for a field that is not in ``FIELDS``: ids, names and values have no place
    in a log."""
    unknown = fields.keys() - FIELDS
    if unknown:
        raise TypeError(f"log fields not allowed: {sorted(unknown)}")
    if _logger.isEnabledFor(logging.INFO):
        _logger.info(_line({"event": name, **fields}))


def bug(error: BaseException) -> None:
    """Log an unexpected exception: its kind and code locations, without its message, which may contain patient data."""
    places = traceback.extract_tb(error.__traceback__)
    _logger.error(
        _line(
            {
                "event": "bug",
                "error": type(error).__name__,
                "places": [f"{_short(p.filename)}:{p.lineno}" for p in places],
            }
        )
    )


def _line(fields: dict[str, Any]) -> str:
    return steering.plain(msgspec.json.encode(fields).decode())


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-3:])


def configure(level: str = "INFO") -> None:
    """Send our events to standard error. Loggers of other packages that might hold a patient's data log only failures
    of their own."""
    # A line is our JSON and nothing else (Logging HOWTO, Optimization).
    for attribute in ("logThreads", "logMultiprocessing", "logProcesses", "logAsyncioTasks"):
        setattr(logging, attribute, False)
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _logger.handlers, _logger.propagate = [handler], False
    _logger.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "sqlalchemy", "alembic", "asyncio", "asyncssh"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)

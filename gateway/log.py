"""Named events, one JSON line each, with the few fields that may be read out in a corridor. Any other field is refused."""

from __future__ import annotations

import json
import logging
import sys

FIELDS = frozenset(
    {"source", "rows", "rejects", "resources", "type", "count", "status", "request_id", "seconds", "route", "method", "job", "part", "project",
     "reason", "port", "mode", "kind", "state", "error"}
)  # fmt: skip

_logger = logging.getLogger("gateway")


def event(name: str, **fields: str | int | float) -> None:
    """Log one event. Raises ``TypeError`` for a field that is not in ``FIELDS``: ids, names and values have no place in a log."""
    unknown = fields.keys() - FIELDS
    if unknown:
        raise TypeError(f"log fields not allowed: {sorted(unknown)}")
    _logger.info(json.dumps({"event": name, **fields}))


def configure(level: str = "INFO") -> None:
    """Send our events to standard error, and silence what would print identifiers for us (URLs, SQL parameters)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _logger.handlers, _logger.propagate = [handler], False
    _logger.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "sqlalchemy", "alembic", "multipart", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)

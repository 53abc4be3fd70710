"""Projects at rest: every version of each, the newest in force."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.store.database import Session


def newest(session: Session, name: str) -> tuple[int, str, dict[str, Any]] | None:
    """(version, state, document) of a project, or None."""
    found = session.row(
        "SELECT version, state, document FROM project WHERE name = ? ORDER BY version DESC LIMIT 1", name
    )
    return (found[0], found[1], msgspec.json.decode(found[2])) if found else None


def add(session: Session, name: str, state: str, document: dict[str, Any]) -> int:
    """Write the next version of a project; return its number. Versions are never changed."""
    version = (session.value("SELECT max(version) FROM project WHERE name = ?", name) or 0) + 1
    session.run(
        "INSERT INTO project (name, version, state, at, document) VALUES (?, ?, ?, ?, ?)",
        name, version, state, session.now, msgspec.json.encode(document).decode(),
    )  # fmt: skip
    return version


def names(session: Session) -> list[str]:
    """The names of all projects."""
    return [row[0] for row in session.rows("SELECT DISTINCT name FROM project ORDER BY name")]

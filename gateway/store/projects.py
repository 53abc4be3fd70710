"""Projects at rest: every version of each, the newest in force."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlmodel import col, select

from gateway.store.models import models
from gateway.store.session import Session
from gateway.store.tables import Project


def newest(session: Session, name: str) -> tuple[int, str, dict[str, Any]] | None:
    """(version, state, document) of a project, or None."""
    statement = select(Project).where(Project.name == name).order_by(col(Project.version).desc()).limit(1)
    with models(session) as rows:
        project = rows.exec(statement).first()
        return (project.version, project.state, msgspec.json.decode(project.document)) if project else None


def add(session: Session, name: str, state: str, document: dict[str, Any]) -> int:
    """Write the next version of a project; return its number. Versions are never changed."""
    before = newest(session, name)
    version = (before[0] if before else 0) + 1
    text = msgspec.json.encode(document).decode()
    with models(session) as rows:
        rows.add(Project(name=name, version=version, state=state, at=session.now, document=text))
    return version


def names(session: Session) -> list[str]:
    """The names of all projects."""
    with models(session) as rows:
        return list(rows.exec(select(Project.name).distinct().order_by(Project.name)))

"""Adds, approves, suspends and ends projects. Without an approved project in date there is no key and no export."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Invalid, Refused
from gateway.fhir.dates import moment
from gateway.nhs import project as rules
from gateway.store import projects
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session


def read_file(path: Path) -> dict[str, Any]:
    """A project document from TOML or JSON. Raises ``Refused`` or ``Invalid`` naming the place."""
    try:
        data = path.read_bytes()
        return tomllib.loads(data.decode()) if path.suffix == ".toml" else msgspec.json.decode(data, type=dict)
    except OSError:
        raise Refused("the project file cannot be read") from None
    except (ValueError, msgspec.MsgspecError):
        raise Invalid("project file: neither TOML nor JSON") from None


def add(store: Store, document: dict[str, Any], by: str) -> str:
    """Write a project as a draft (or a changed one as a draft again); return its name. Audited in the same
    transaction."""
    project = rules.parse(document)
    with store.write() as session:
        _write(session, project.name, "draft", {**document, "requested_by": by, "approvals": []}, "project.add", by)
    return project.name


def approve(store: Store, name: str, by: str) -> str:
    """Record one person's approval; return the state. The requester cannot approve, and the same person counts once."""
    with store.write() as session:
        _, state, document = _newest(session, name)
        state, document = rules.approve(state, document, by, moment(session.now))
        _write(session, name, state, document, "project.approve", by)
    return state


def change(store: Store, name: str, state: str, by: str) -> None:
    """Suspend, resume or expire a project, as the table of states allows."""
    with store.write() as session:
        _, before, document = _newest(session, name)
        _write(session, name, rules.change(before, state, document, by), document, f"project.{state}", by)


def in_force(session: Session, name: str, now: int) -> tuple[rules.Project, int]:
    """The project and its version, when it is approved and in date. Raises ``Refused`` for any other: no key, no
    export."""
    version, state, document = _newest(session, name)
    parsed = rules.parse(document)
    rules.require_in_force(parsed, state, moment(now))
    return parsed, version


def all_projects(store: Store) -> list[tuple[str, int, str]]:
    """(name, version, state) of every project."""
    with store.read() as session:
        newest = [(name, *_newest(session, name)) for name in projects.names(session)]
    return [(name, version, state) for name, version, state, _ in newest]


def _newest(session: Session, name: str) -> tuple[int, str, dict[str, Any]]:
    newest = projects.newest(session, name)
    if newest is None:
        raise Refused("no project of that name")
    return newest


def _write(session: Session, name: str, state: str, document: dict[str, Any], act: str, by: str) -> None:
    version = projects.add(session, name, state, document)
    record_write(session, {"act": act, "by": by, "project": name, "version": version, "state": state})

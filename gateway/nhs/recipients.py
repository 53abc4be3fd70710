"""Who may receive a project's exports, and which of its types: asked at the kick-off, status, file and cancel."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.nhs import scopes
from gateway.nhs.project import Project
from gateway.nhs.refusals import NO_SCOPE, NOT_APPROVED, Refusal
from gateway.nhs.roles import Caller

EXPORT = "export"


def refusal(caller: Caller, project: Project, types: Iterable[str] = ()) -> Refusal | None:
    """Why a client may not have these types of a project; None where it may.

    It must be a system client that its token binds to the project, be one of the project's ``people``, and act for its
    ``recipient``. Its scopes must let it read and search one of the project's types, and every one of ``types``.
    """
    if caller.kind != "system" or caller.project != project.name or caller.user not in project.people:
        return NOT_APPROVED
    if caller.organisation != project.recipient:
        return NOT_APPROVED
    within = within_scopes(caller, project.types)
    return None if within and within.issuperset(types) else NO_SCOPE


def within_scopes(caller: Caller, types: Iterable[str]) -> frozenset[str]:
    """The types of these that a client's scopes let it read and search; none where it has no scopes."""
    scoped = scopes.types(caller.scopes, caller.kind, EXPORT)
    return frozenset() if scoped is None else scopes.narrowed(frozenset(types), scoped)

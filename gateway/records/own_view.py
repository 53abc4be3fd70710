"""What a person sees of themself, by the NHS number that their issuer proved: who looked at their record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.fhir import build
from gateway.fhir.dates import DAY, moment
from gateway.nhs import access, labels, oneself
from gateway.nhs.looks import LOCAL, Look, looks
from gateway.nhs.optout import strictest
from gateway.nhs.roles import Caller
from gateway.nhs.summary.sections.marked import is_safeguarding
from gateway.records.door import Door, audited, error, refuse_early
from gateway.records.facts import about_number, facts_about, publishers_now
from gateway.store import preferences, resources
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST = 5000
"""Events of a stream that are read at most, the newest."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Who looked at a person's record since a moment. ``begins`` is when the audit begins, where that is later.
    ``is_cut``: there were more than are told."""

    looks: list[Look]
    since: datetime
    until: datetime
    begins: datetime | None
    is_cut: bool


def looked(door: Door, caller: Caller, days: int, request_id: str) -> Looked:
    """https://profiles.ihe.net/ITI/BALP/content.html

    Who looked at the caller's own record in the last days, and whom it was refused to, this request not yet
    counted. Raises ``Unauthenticated`` or ``Forbidden`` for anybody else, ``Forbidden`` where nothing of the person's
    is shown online: in the same words whatever the reason."""
    act = access.Act(oneself.LOOKED, "AuditEvent", True)
    refuse_early(door, caller, act, request_id)
    now = door.store.clock()
    since = now - days * DAY
    with door.store.read() as session:
        decision, everything = _decided(door, session, caller, act)
        names = {publisher.ods: publisher.name for publisher in publishers_now(door, session).values() if publisher.ods}
    if decision.refusal:
        audited(door, caller, act, decision, "refused", request_id)
        raise error(decision.refusal, "")
    patients = [patient.id for patient in decision.facts.patients]
    events, is_cut, begins = door.audit.naming(patients, caller.number, since, MOST)
    audited(door, caller, act, decision, "ok", request_id)
    at_risk = _is_at_risk(decision, everything)
    return Looked(
        looks(events, caller, names, is_at_risk=at_risk), _here(since), _here(now),
        _here(begins) if begins is not None and begins > since else None, is_cut,
    )  # fmt: skip


def choices(door: Door, caller: Caller, request_id: str) -> dict[str, str]:
    """https://hl7.org/fhir/R4/consent.html

    Which choices of the caller's stand by the records that are held: summary, sharing and type1, each with its effect
    where one is recorded. Raises as ``looked`` does.
    """
    act = access.Act(oneself.CHOICES, "Consent", True)
    refuse_early(door, caller, act, request_id)
    with door.store.read() as session:
        decision, _ = _decided(door, session, caller, act)
        facts = decision.facts
        keys = sorted({patient.key for patient in (*facts.patients, *facts.claimants)})
        stated = preferences.stated(session, keys) if decision.refusal is None else []
    audited(door, caller, act, decision, "refused" if decision.refusal else "ok", request_id)
    if decision.refusal:
        raise error(decision.refusal, "")
    return strictest(stated)


def _decided(
    door: Door, session: Session, caller: Caller, act: access.Act
) -> tuple[access.Decision, Sequence[tuple[Stored, dict[str, Any]]]]:
    """The decision of an act on the caller's own record, and all of it with its labels, for what may be told."""
    facts = facts_about(door, session, caller, about_number(session, caller.number))
    stored = resources.of_patients(session, sorted(patient.key for patient in facts.patients))
    everything = [(version, build.decode(version.body)) for version in stored]
    today = _here(door.store.clock()).date()
    bodies = [resource for _, resource in everything]
    bars = oneself.bars(facts.patients, bodies, caller.born, today, is_live=not door.store.is_sandbox)
    return access.decide(caller, act, replace(facts, barred=tuple(dict.fromkeys(bars)))), everything


def _is_at_risk(decision: access.Decision, everything: Sequence[tuple[Stored, dict[str, Any]]]) -> bool:
    """Whether the name of a place could lead somebody to a person who is to be protected: the person is restricted, or
    any alert on them is of safeguarding."""
    facts = decision.facts
    if any(patient.labels & labels.RESTRICTED for patient in (*facts.patients, *facts.claimants)):
        return True
    return any(resource["resourceType"] == "Flag" and is_safeguarding(resource) for _, resource in everything)


def _here(microseconds: int) -> datetime:
    return moment(microseconds).astimezone(LOCAL)

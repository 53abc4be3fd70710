"""Reads and searches: decide, find within the limits, audit, answer. A read is a search for one id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.errors import GatewayError, Gone, NotFound, TooLarge
from gateway.fhir.search import Query, Whose
from gateway.nhs import access, caseload
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records import cursors, including, listing
from gateway.records.deciding import Decided, decide, decide_search
from gateway.records.door import (
    Door,
    Found,
    Page,
    Sealed,
    audited,
    before_lookup,
    error,
    event,
    refuse_early,
    served,
)
from gateway.records.facts import About, about_head, publishers_now
from gateway.records.hopping import Hops
from gateway.records.linking import linked, practice_first, within
from gateway.records.selecting import Selection
from gateway.store import resources
from gateway.store.hashes import id_hash
from gateway.store.limits import passes
from gateway.store.resources import Stored
from gateway.store.session import Session

CUT = "Some of what the matches point at is not in this answer: read it by id."
MORE_HELD = (
    "Other records of this person hold more: search with patient.identifier, or with each Patient that "
    "Patient.link names."
)
IGNORED = "This search was lenient and left out what it does not know:"
"""What a page does not hold, as it is told."""


def read(door: Door, caller: Caller, resource_type: str, id_: str, request_id: str) -> Sealed[list[Found]]:
    """https://hl7.org/fhir/R4/http.html#read

    One resource as it is now, sealed until it is audited. Opening raises ``NotFound`` for what is not there or not
    the caller's, ``Gone`` to who may see that it was.
    """
    return _of_id(door, caller, access.Act("read", resource_type), id_, request_id)


def vread(door: Door, caller: Caller, resource_type: str, id_: str, version: int, request_id: str) -> Found:
    """https://hl7.org/fhir/R4/http.html#vread

    One version of a resource: the current one to who may read it, older ones to the recording organisation and
    privacy officers.
    """
    (shown,) = _of_id(door, caller, access.Act("vread", resource_type), id_, request_id, version).open()
    return shown


def history(door: Door, caller: Caller, resource_type: str, id_: str, request_id: str) -> list[Found]:
    """https://hl7.org/fhir/R4/http.html#history

    The versions of a resource the caller may see, newest first. Labels are of the resource: what is hidden is
    hidden in every version.
    """
    return _of_id(door, caller, access.Act("history", resource_type), id_, request_id).open()


def _of_id(
    door: Door, caller: Caller, act: access.Act, id_: str, request_id: str, number: int | None = None
) -> Sealed[list[Found]]:
    """The versions of one resource that an act may answer with, or the one of that number; the door's one way to an
    id."""
    early = before_lookup(door, caller, act)
    if early.refusal:
        refused = event(caller, act, early, "refused", request_id)
        return Sealed(door.audit, refused, _refusal=error(early.refusal, act.type))
    with door.store.read() as session:
        head = resources.head_of(session, act.type, id_)
        decision = decide(door, session, caller, act, None if act.type in DIRECTORY else about_head(head))
        versions = [version for version in _versions(session, act, decision, head) if number in (None, version.number)]
        publishers = publishers_now(door, session) if versions else {}
        answer = [served(version, publishers, decision) for version in versions]
        if act.name == "read":
            answer = linked(answer, decision)
    outcome, refusal = _outcome(act, decision, answer)
    return Sealed(door.audit, event(caller, act, decision, outcome, request_id, versions), answer, refusal)


def _outcome(act: access.Act, decision: access.Decision, answer: list[Found]) -> tuple[str, GatewayError | None]:
    """Return the outcome for the audit, and the error to raise, if any."""
    if decision.refusal:
        is_hidden = decision.refusal.status == 404
        return "refused", NotFound(act.type) if is_hidden else error(decision.refusal, act.type)
    if not answer:
        return "not found", NotFound(act.type)
    if answer[0].deleted and act.name != "history":
        return "gone", Gone(act.type)
    return "ok", None


def _versions(session: Session, act: access.Act, decision: access.Decision, head: Stored | None) -> list[Stored]:
    """The versions within the limits: all of them for who may see the past, of those acts that ask for it."""
    if decision.refusal or head is None or not passes(decision.limits)(head):
        return []
    may_see_past = head.publisher in (decision.limits.history or ())
    if act.name != "read" and may_see_past:
        return [
            replace(head, number=number, updated=updated, deleted=deleted, delivery=delivery, body=body)
            for number, updated, deleted, delivery, body in resources.versions_of(session, head.key)
        ]
    return [head] if may_see_past or not head.deleted else []


def search(door: Door, caller: Caller, query: Query, request_id: str) -> Page:
    """https://hl7.org/fhir/R4/http.html#search

    What a query matches within the decision's limits. Asked by id, a refusal looks like nothing found; by number,
    it is the table's.
    """
    refuse_early(door, caller, access.Act("search", query.type), request_id, _names(query))
    query, after = cursors.resumed(door, caller, query)
    if query.listed is not None:
        refuse_early(door, caller, caseload.ACT, request_id, _names(query))
    act, names = access.Act("search", query.type, query.number is not None), _names(query)
    with door.store.read() as session:
        decided, too_long = _decided(door, session, caller, act, query)
        decision, refusal = decided.decision, decided.decision.refusal
        is_told = too_long is not None or refusal is not None and (act.by_number or refusal.status != 404)
        fault: GatewayError = too_long or error(refusal or access.NOT_SHOWN, query.type)
        try:
            page, stored = (None, []) if is_told else _page(door, session, caller, decided, after)
        except TooLarge as unanswered:  # found only when the person's record was looked at
            page, stored, fault = None, [], unanswered
    # The read is closed: its audit may need a connection of its own.
    outcome = "refused" if refusal or page is None else "ok"
    if query.listed is None:
        audited(door, caller, act, decision, outcome, request_id, stored, names)
    else:
        door.audit.record_all(listing.events(caller, act, decided, outcome, request_id, stored, names))
    if page is None:
        raise fault
    return page


def _decided(
    door: Door, session: Session, caller: Caller, act: access.Act, query: Query
) -> tuple[Decided, TooLarge | None]:
    """The decision of a search about one person or about a list of them, and the fault of a list that is too long."""
    if query.listed is None:
        return decide_search(door, session, caller, act, query), None
    try:
        return listing.decide_listed(door, session, caller, act, query), None
    except TooLarge as too_long:
        return Decided(decide(door, session, caller, act, About()), query), too_long


def _names(query: Query) -> list[str]:
    """The names of a query's parameters, for the audit."""
    return [name for name, _ in query.parameters]


def _page(
    door: Door, session: Session, caller: Caller, decided: Decided, after: tuple[int, int] | None
) -> tuple[Page, list[Stored]]:
    """One page of a decided search, and the resources on it for the audit."""
    query = decided.query
    here = cursors.here(door, caller, query, after)
    if decided.decision.refusal:
        return Page([], [], None, 0 if query.total else None, here), []
    hops = Hops(door, session, caller)
    selection = Selection(session, decided, hops)
    matches, has_more = selection.page(after)
    fitting = including.fitting(decided, matches)
    if len(fitting) < len(matches):
        matches, has_more = fitting, True
    resume = cursors.cursor(door, caller, query, selection.position(matches, after)) if has_more else None
    included, is_cut = including.included(hops, decided, matches)
    publishers = publishers_now(door, session)
    page = Page(
        _linked(decided, [served(match, publishers, decided.of(match)) for match in matches], resume or after),
        _linked(decided, [served(resource, publishers, decided.of(resource)) for resource in included], None),
        resume,
        selection.count() if query.total else None,
        here,
        tuple(_notes(decided, selection, is_cut, after)),
    )
    return page, [*matches, *included]


def _notes(decided: Decided, selection: Selection, is_cut: bool, after: tuple[int, int] | None) -> Iterator[str]:
    """What an answer tells about what it does not hold, most of it on its first page."""
    if is_cut:
        yield CUT
    if after is None and decided.query.count and _others_hold_more(decided, selection):
        yield MORE_HELD
    if after is None:
        yield from (f"{IGNORED} {name}" for name in decided.query.ignored)


def _others_hold_more(decided: Decided, selection: Selection) -> bool:
    """Whether a search on one Patient of a person misses what another of them holds and this caller may see. A Patient
    whom the caller may not see is as an unknown one: not even its id is told to be known."""
    narrow, whole = decided.decision.limits.patients, decided.whole.patients
    if isinstance(narrow, Whose) or isinstance(whole, Whose) or decided.query.type == "Patient":
        return False
    seen = {fact.key for fact in within(decided.decision.facts.patients, decided.whole)}
    others = whole & seen - narrow
    if not others or not narrow or not narrow <= seen or not decided.query.patients:
        return False
    return selection.has_any(replace(decided.whole, patients=others))


def _linked(decided: Decided, answer: list[Found], cut: object) -> list[Found]:
    """Patients with links to the others of their person. Where all of them are on one page and no order was asked for,
    the one of the practice that the person is registered with stands first."""
    if not any(shown.type == "Patient" for shown in answer):
        return answer
    people = [decided.of_person(id_hash(shown.id)) for shown in answer]
    answer = [linked([shown], decision)[0] for shown, decision in zip(answer, people)]
    if cut or decided.parts or any(name == "_sort" for name, _ in decided.query.parameters):
        return answer
    return sorted(answer, key=lambda shown: practice_first(shown.id, decided.decision))

"""Reads and searches: decide, find within the limits, audit, answer. A read is a search for one id."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from gateway.errors import GatewayError, Gone, Invalid, NotFound, Unsupported
from gateway.fhir import build, params, paths
from gateway.fhir.bundle import PRIVATE
from gateway.fhir.parse import parse
from gateway.fhir.search import Clause, Limits, PatientKey, Query, Whose
from gateway.nhs import access, links
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records import by_system
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
from gateway.records.facts import About, about_head, about_query, candidates, facts_about, publishers_now
from gateway.records.linking import linked, practice_first, within
from gateway.store import find, resources
from gateway.store.database import Session, id_hash
from gateway.store.limits import passes
from gateway.store.resources import Stored

MOST_INCLUDED = 250
CURSOR_SECONDS, CLOCKS_DIFFER = 3600, 60
CUT = "Some of what the matches point at is not in this answer: read it by id."
MORE_HELD = (
    "Other records of this person hold more: search with patient.identifier, or with each Patient that "
    "Patient.link names."
)
"""What a page does not hold, as it is told."""


def read(door: Door, caller: Caller, resource_type: str, id_: str, request_id: str) -> Sealed[list[Found]]:
    """One resource as it is now, sealed until it is audited. Opening raises ``NotFound`` for what is not there or not
    the caller's, ``Gone`` to who may see that it was.

    https://hl7.org/fhir/R4/http.html#read
    """
    return _of_id(door, caller, access.Act("read", resource_type), id_, request_id)


def vread(door: Door, caller: Caller, resource_type: str, id_: str, version: int, request_id: str) -> Found:
    """One version of a resource: the current one to who may read it, older ones to the recording organisation and
    privacy officers.

    https://hl7.org/fhir/R4/http.html#vread
    """
    (shown,) = _of_id(door, caller, access.Act("vread", resource_type), id_, request_id, version).open()
    return shown


def history(door: Door, caller: Caller, resource_type: str, id_: str, request_id: str) -> list[Found]:
    """The versions of a resource the caller may see, newest first. Labels are of the resource: what is hidden is
    hidden in every version.

    https://hl7.org/fhir/R4/http.html#history
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
        decision = _decide(door, session, caller, act, None if act.type in DIRECTORY else about_head(head))
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


def _decide(door: Door, session: Session, caller: Caller, act: access.Act, about: About | None) -> access.Decision:
    return access.decide(caller, act, facts_about(door, session, caller, about))


def search(door: Door, caller: Caller, query: Query, request_id: str) -> Page:
    """What a query matches within the decision's limits. Asked by id, a refusal looks like nothing found; by number,
    it is the table's.

    https://hl7.org/fhir/R4/http.html#search
    """
    refuse_early(door, caller, access.Act("search", query.type), request_id, _names(query))
    query, after = _resumed(door, caller, query)
    act, names = access.Act("search", query.type, query.number is not None), _names(query)
    with door.store.read() as session:
        decided = _decided(door, session, caller, act, query)
        decision, refusal = decided.decision, decided.decision.refusal
        is_told = refusal is not None and (act.by_number or refusal.status != 404)
        page, stored = (None, []) if is_told else _page(door, session, caller, decided, after)
    # The read is closed: its audit may need a connection of its own.
    audited(door, caller, act, decision, "refused" if refusal else "ok", request_id, stored, names)
    if page is None:
        raise error(refusal or access.NOT_SHOWN, query.type)
    return page


def _names(query: Query) -> list[str]:
    """The names of a query's parameters, for the audit."""
    return [name for name, _ in query.parameters]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A search as it was decided: the decision, the query that it is of, and where people were decided about one by
    one, each one's own decision."""

    decision: access.Decision
    query: Query
    by_patient: Mapping[PatientKey, access.Decision] = field(default_factory=dict)
    whole: Limits = Limits()
    """The limits on everything of the person, where ``decision`` is narrowed to one record of several."""

    def of(self, match: Stored) -> access.Decision:
        """The decision about the person whom a match is about."""
        return self.by_patient.get(PatientKey(match.patient), self.decision)

    def of_person(self, patient: int) -> access.Decision:
        """The decision about the person of a Patient, not narrowed to that one record."""
        return self.by_patient.get(PatientKey(patient)) or replace(self.decision, limits=self.whole)


def _page(
    door: Door, session: Session, caller: Caller, decided: _Decided, after: tuple[int, int] | None
) -> tuple[Page, list[Stored]]:
    """One page of a decided search, and the resources on it for the audit."""
    decision = decided.decision
    here = _here(door, caller, decided.query, after)
    if decision.refusal:
        return Page([], [], None, 0 if decided.query.total else None, here), []
    asked = decided
    query = by_system.resolved(session, decided.query, decision)
    decided = replace(decided, query=query)
    matches, has_more = _matches(session, query, decision, after) if query.count else ([], False)
    fitting = _fitting(decided, matches)
    if len(fitting) < len(matches):
        matches, has_more = fitting, True
    resume = _cursor(door, caller, query, find.position(query, matches[-1])) if has_more else None
    wanted = _wanted(decided, matches)
    included = _included(door, session, caller, decided, matches, wanted)
    publishers = publishers_now(door, session)
    page = Page(
        _linked(decided, [served(match, publishers, decision) for match in matches], resume or after),
        _linked(decided, [served(resource, publishers, decision) for resource in included], None),
        resume,
        _total(session, query, decision.limits),
        here,
        _notes(session, asked, wanted, after),
    )
    return page, [*matches, *included]


def _matches(
    session: Session, query: Query, decision: access.Decision, after: tuple[int, int] | None
) -> tuple[list[Stored], bool]:
    """The matches of one page, and whether another page has any. What would tell of something hidden is left out
    before the page is cut: else its links would speak of it, and pages be shorter than others."""
    matches: list[Stored] = []
    while True:
        batch = find.find(session, query, decision.limits, after)
        matches += [match for match in batch if not _would_tell(match, query, decision)]
        if len(matches) > query.count:
            return matches[: query.count], True
        if len(batch) <= query.count:
            return matches, False
        after = find.position(query, batch[-1])


def _total(session: Session, query: Query, limits: Limits) -> int | None:
    """How many match, where that was asked for and tells nothing that is blanked."""
    if not query.total:
        return None
    if not _asks_of_blanked(query):
        return find.count(session, query, limits)
    if not query.count:
        raise Unsupported("a count by encounter")
    return None


def _notes(
    session: Session,
    decided: _Decided,
    wanted: Mapping[tuple[str, str], Sequence[Stored]],
    after: tuple[int, int] | None,
) -> tuple[str, ...]:
    """What the first page of an answer tells about what it does not hold."""
    notes = [CUT] if len(wanted) > MOST_INCLUDED else []
    if after is None and decided.query.count and _others_hold_more(session, decided):
        notes.append(MORE_HELD)
    return tuple(notes)


def _others_hold_more(session: Session, decided: _Decided) -> bool:
    """Whether a search on one Patient of a person misses what another of them holds and this caller may see. What rests
    on a blanked element or on no index is not looked at: other Patients are reason enough."""
    narrow, whole = decided.decision.limits.patients, decided.whole.patients
    if isinstance(narrow, Whose) or isinstance(whole, Whose) or decided.query.type == "Patient":
        return False
    seen = {fact.key for fact in within(decided.decision.facts.patients, decided.whole)}
    others = whole & seen - narrow
    if not others or not narrow or not decided.query.patients:
        return False
    elsewhere = replace(decided.whole, patients=others)
    is_unindexed = _asks_of_blanked(decided.query) or by_system.is_needed(decided.query)
    return is_unindexed or bool(find.find(session, replace(decided.query, count=0), elsewhere))


def _linked(decided: _Decided, answer: list[Found], cut: object) -> list[Found]:
    """Patients with links to the others of their person. Where all of them are on one page and no order was asked for,
    the one of the practice that the person is registered with stands first."""
    if not any(shown.type == "Patient" for shown in answer):
        return answer
    people = [decided.of_person(id_hash(shown.id)) for shown in answer]
    answer = [linked([shown], decision)[0] for shown, decision in zip(answer, people)]
    if cut or any(name == "_sort" for name, _ in decided.query.parameters):
        return answer
    return sorted(answer, key=lambda shown: practice_first(shown.id, decided.decision))


def _would_tell(match: Stored, query: Query, decision: access.Decision) -> bool:
    """Whether a match rests on an element that is blanked for this caller: answering would tell what it holds."""
    if not decision.blanks(match.publisher, match.labels):
        return False
    asked = {clause.param for clause in query.clauses} & params.of_type(match.type).keys()
    shown = links.redact(build.decode(match.body))
    return any(params.row(match.type, name).paths[match.type].split(".")[0] not in shown for name in asked)


def _asks_of_blanked(query: Query) -> bool:
    """Whether a count could tell what a blanked element holds: then no total is given."""
    left_out = links.left_out(query.type)
    asked = {clause.param for clause in query.clauses} & params.of_type(query.type).keys()
    return any(params.row(query.type, name).paths[query.type].split(".")[0] in left_out for name in asked)


def _decided(door: Door, session: Session, caller: Caller, act: access.Act, query: Query) -> _Decided:
    """The decision of a search."""
    about = about_query(session, query)
    if about is None and query.type not in DIRECTORY:
        return _decided_by_person(door, session, caller, act, query)
    decision = _decide(door, session, caller, act, about)
    return _Decided(replace(decision, limits=_narrowed(decision.limits, about)), query, whole=decision.limits)


def _decided_by_person(door: Door, session: Session, caller: Caller, act: access.Act, query: Query) -> _Decided:
    """A search that names nobody is decided person by person, and what matches is found within its own person's
    limits: what one allows shows nothing of another, and somebody else's id beside one's own is as an unknown one."""
    stored = candidates(session, caller, query)
    decisions = {
        patient: _decide(door, session, caller, act, About(frozenset({patient})))
        for patient in sorted({PatientKey(resource.patient) for resource in stored})
    }
    within = {patient: passes(decision.limits) for patient, decision in decisions.items() if decision.refusal is None}
    shown = [resource for resource in stored if (test := within.get(PatientKey(resource.patient))) and test(resource)]
    if not shown:
        refused = next(iter(decisions.values()), None) or _decide(door, session, caller, act, About())
        return _Decided(replace(refused, limits=Limits()), _with_ids(query, ()))
    allowed = [decisions[PatientKey(patient)] for patient in dict.fromkeys(resource.patient for resource in shown)]
    return _Decided(_merged(allowed), _with_ids(query, tuple(resource.id for resource in shown)), decisions)


def _merged(decisions: Sequence[access.Decision]) -> access.Decision:
    """The decisions about several people as one: their facts, limits and traces together."""
    patients = {patient: None for decision in decisions for patient in decision.facts.patients}
    limits = Limits(
        tuple({allow: None for decision in decisions for allow in decision.limits.allow}),
        frozenset(patient.key for patient in patients),
    )
    trace = tuple({line: None for decision in decisions for line in decision.trace})
    return replace(
        decisions[0], limits=limits, facts=replace(decisions[0].facts, patients=tuple(patients)), trace=trace
    )


def _with_ids(query: Query, ids: tuple[str, ...]) -> Query:
    return replace(query, clauses=(*query.clauses, Clause("_id", "id", ids)))


def _narrowed(limits: Limits, about: About | None) -> Limits:
    """``patient=Patient/x`` means that record only; a number means all the gathered ones."""
    if about is None or about.by_number or isinstance(limits.patients, Whose):
        return limits
    return replace(limits, patients=limits.patients & about.asked)


def _fitting(decided: _Decided, matches: list[Stored]) -> list[Stored]:
    """The first matches, as many as come with all that ``_include`` names of them; at least one."""
    if not decided.query.includes:
        return matches
    wanted: set[tuple[str, str]] = set()
    for number, match in enumerate(matches):
        wanted |= _wanted(decided, [match]).keys()
        if number and len(wanted) > MOST_INCLUDED:
            return matches[:number]
    return matches


def _included(
    door: Door,
    session: Session,
    caller: Caller,
    decided: _Decided,
    matches: Sequence[Stored],
    wanted: Mapping[tuple[str, str], Sequence[Stored]],
) -> list[Stored]:
    """What matched resources, as the caller sees them, point at and ``_include`` names, each within the limits of the
    person whom the match is about; the directory has its own."""
    seen = {(match.type, match.id) for match in matches}
    included = []
    for (type_, id_), pointing in list(wanted.items())[:MOST_INCLUDED]:
        head = None if (type_, id_) in seen else resources.head_of(session, type_, id_)
        if head is None or head.deleted:
            continue
        if type_ in DIRECTORY:
            directory = _decide(door, session, caller, access.Act("read", type_), None)
            if directory.refusal is None and passes(directory.limits)(head):
                included.append(head)
        elif any(_shows(decided.of(match), head) for match in {match.patient: match for match in pointing}.values()):
            included.append(head)
    return included


def _shows(decision: access.Decision, head: Stored) -> bool:
    """Whether a decision lets a resource through whole."""
    return passes(decision.limits)(head) and not decision.blanks(head.publisher, head.labels)


def _wanted(decided: _Decided, matches: Sequence[Stored]) -> dict[tuple[str, str], list[Stored]]:
    """(type, id) of what ``_include`` names, in the order of the matches, with the matches that point at it."""
    query = decided.query
    wanted: dict[tuple[str, str], list[Stored]] = {}
    for include in query.includes:
        targets = params.includes(query.type)[include.param]
        names = _path(query.type, include.param)
        for match in matches:
            resource = build.decode(match.body)
            is_blanked = decided.of(match).blanks(match.publisher, match.labels)
            seen = links.redact(resource) if is_blanked else resource
            for reference in paths.references(seen, names):
                type_, _, id_ = reference.partition("/")
                if id_ and type_ in targets and include.target in ("", type_):
                    wanted.setdefault((type_, id_), []).append(match)
    return wanted


def _path(resource_type: str, name: str) -> paths.Path:
    """The element that a reference parameter reads."""
    is_about = name in ("patient", "subject")
    return paths.path(
        params.subject(resource_type) if is_about else params.row(resource_type, name).paths[resource_type]
    )


def _here(door: Door, caller: Caller, query: Query, after: tuple[int, int] | None) -> str | None:
    """The handle of a page whose own parameters do not lead to it: a later page, or one about somebody who is named."""
    if after is None and not any(name in PRIVATE for name, _ in query.parameters):
        return None
    return _cursor(door, caller, query, after)


def _cursor(door: Door, caller: Caller, query: Query, at: tuple[int, int] | None) -> str:
    """Where a page begins (None: at the beginning), encrypted and bound to caller and query. It carries the parameters
    that name a person, which no link may."""
    private = [pair for pair in query.parameters if pair[0] in PRIVATE]
    sealed = Fernet(door.cursor_key).encrypt(msgspec.msgpack.encode((at, private, _bound(caller, query))))
    return sealed.decode().rstrip("=")  # without its padding it stands in a link as it is


def _resumed(door: Door, caller: Caller, query: Query) -> tuple[Query, tuple[int, int] | None]:
    """The whole query of a link, and where its page begins. Raises ``Invalid`` for a cursor that is not this caller's
    and this query's, ``Gone`` for one that is too old."""
    if query.cursor is None:
        return query, None
    key = Fernet(door.cursor_key)
    unpadded = query.cursor.rstrip("=")
    sealed = (unpadded + "=" * (-len(unpadded) % 4)).encode()
    try:
        data = key.decrypt(sealed)
        age = time.time() - key.extract_timestamp(sealed)
        at, private, bound = msgspec.msgpack.decode(
            data, type=tuple[tuple[int, int] | None, list[tuple[str, str]], bytes]
        )
    except (InvalidToken, msgspec.MsgspecError):
        raise Invalid("parameter _cursor") from None
    if bound != _bound(caller, query):
        raise Invalid("parameter _cursor")
    if not -CLOCKS_DIFFER <= age <= CURSOR_SECONDS:
        raise Gone("the link has expired: search again")
    public = [pair for pair in query.parameters if pair[0] not in PRIVATE]
    return parse(query.type, [*public, *private]), at


def _bound(caller: Caller, query: Query) -> bytes:
    shown = sorted(pair for pair in query.parameters if pair[0] not in PRIVATE)
    who_asks = (caller.issuer, caller.user, caller.organisation, caller.role)
    return hashlib.sha256(repr((who_asks, query.type, shown)).encode()).digest()

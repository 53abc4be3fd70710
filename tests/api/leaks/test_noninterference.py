"""Nothing that is withheld is told by any answer: two stores that differ in it answer alike, and each leak that is
planted is found.

``twins`` has the table of reasons and of callers, ``probes`` the requests. The ordinary suite asks a sample; the slow
proof asks more of each reason and caller, and all requests of somebody.
"""

import importlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.api.openapi import ROWS
from gateway.errors import Forbidden
from gateway.fhir import build
from gateway.fhir.search import Allow, Limits
from gateway.intake import criteria
from gateway.nhs import access, labels, roles, sandbox, scopes, showing
from gateway.records import door, facts, hopping, including, linking, reading, selecting
from gateway.records.cache import Cache
from gateway.store import compartment, find
from tests.api.leaks import twins
from tests.api.leaks.comparing import SIGHTED, Twins
from tests.api.leaks.probes import ASIDE, FIRST, probes
from tests.api.leaks.twins import CASES, EVERYBODY
from tests.api.people import uid

BY_NAME = {case.name: case for case in CASES}
SAMPLE, PART = 2, 40
"""Requests of each reason and caller in the ordinary suite; one in how many the slow proof asks."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory, data_dir):
    with pytest.MonkeyPatch.context() as patch:
        for user, claims in twins.more_users(uid(twins.at("Confidential", twins.PRACTICE))).items():
            patch.setitem(sandbox.USERS, user, claims)
        opened = Twins([data_dir(tmp_path_factory.mktemp(variant) / "data") for variant in twins.WORDS])
        yield opened
        opened.close()


@pytest.mark.hazard("HZ-ACCESS-34")
def test_a_sample_of_all_requests_tells_nobody_what_is_withheld(pair):
    asked = Counter()
    step = len(list(probes(FIRST))) // SAMPLE
    combinations = [(case, user) for case in CASES for user in sorted(case.callers)]
    for number, (case, user) in enumerate(combinations):
        part = probes(case.name, part=slice((number * 1009) % step, None, step))
        assert next(pair.leaks(case, user, part), None) is None
        asked[user] += SAMPLE
    assert set(asked) == EVERYBODY


@pytest.mark.slow
@pytest.mark.hazard("HZ-ACCESS-34")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_requests_tell_nobody_what_is_withheld(pair, case):
    """Each caller asks one part of the requests, another for each reason."""
    for number, user in enumerate(sorted(case.callers)):
        step = PART if user in SIGHTED else PART * 10
        part = probes(case.name, part=slice((twins.NUMBER[case.name] * 7 + number) % step, None, step))
        assert next(pair.leaks(case, user, part), None) is None


@pytest.mark.parametrize("case", [case for case in CASES if case.witness], ids=lambda case: case.name)
def test_the_two_stores_do_differ_to_whom_nothing_is_withheld(pair, case):
    """Else the stores would be alike, and nothing proved."""
    asked = probes(case.name, "versions", "collections", "reads")
    assert next(pair.leaks(replace(case, but=""), case.witness, asked), None) is not None


# Each leak that is planted is found


def _open(limits: Limits) -> Limits:
    """Limits that no label narrows."""
    return replace(limits, allow=tuple(replace(allow, hidden=0) for allow in limits.allow))


def _unlabelled(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function of the store whose limits, at this place of its arguments, no label narrows."""
    return lambda *sent, **more: original(*sent[:place], _open(sent[place]), *sent[place + 1 :], **more)


def _count_all(self: Any) -> int:
    return find.count(self._session, self._decided.query, _open(self._decided.decision.limits))


def _cut_first(self: Any, after: Any) -> tuple[list[Any], bool]:
    """A page that is cut before what does not match is left out."""
    query = self._decided.query
    batch = find.find(self._session, query, self._decided.decision.limits, after)
    self._last = (batch[: query.count] or [None])[-1]
    return [match for match in batch[: query.count] if self._matches(match)], len(batch) > query.count


def _decided_open(original: Callable[..., Any]) -> Callable[..., Any]:
    def decision(self: Any, type_: str, patient: int) -> Any:
        narrow = original(self, type_, patient)
        return replace(narrow, limits=_open(narrow.limits))

    return decision


def _tagged_by_bytes(original: Callable[..., Any]) -> Callable[..., Any]:
    """A version that is named by its bytes as they are stored, and not as they are shown."""
    return lambda stored, *more: replace(original(stored, *more), version=sum(stored.body))


def _forbidden(original: Callable[..., Any]) -> Callable[..., Any]:
    def versions(session: Any, act: Any, decision: Any, head: Any) -> Any:
        shown = original(session, act, decision, head)
        if head is not None and not shown:
            raise Forbidden("not yours", "not-yours")
        return shown

    return versions


def _with_deleted(original: Callable[..., Any]) -> Callable[..., Any]:
    def versions(session: Any, act: Any, decision: Any, head: Any) -> Any:
        is_deleted = head is not None and head.deleted and not decision.refusal
        return [head] if is_deleted else original(session, act, decision, head)

    return versions


def _remembered_for_all(cached: Callable[..., Any]) -> Callable[..., Any]:
    """Facts that are remembered without whose they are."""

    def get(self: Any, name: Any, make: Any) -> Any:
        is_of_facts = len(name) == 4
        return cached(self, (name[0], name[1], "", name[3]) if is_of_facts else name, make)

    return get


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def _permitted(original: Callable[..., Any]) -> Callable[..., Any]:
    def longest(_recorded: Any, caller: Any, *, stands_in: bool) -> access.Permission | None:
        return None if stands_in else access.Permission("permission", 2**62, caller.organisation)

    return longest


@dataclass(frozen=True)
class Plant:
    """A leak: what is put in the place of which functions, and who learns what of whom by it first."""

    case: str
    user: str
    families: tuple[str, ...]
    changes: tuple[tuple[Any, str, Callable[[Any], Any]], ...]
    first: str = ""
    """What the addresses hold that are asked first: it saves time, and finds nothing by itself."""
    is_primed: bool = False
    """Whether the witness asks the same first."""


def plant(case: str, user: str, families: str, *changes: Any, first: str = "", is_primed: bool = False) -> Plant:
    return Plant(case, user, tuple(families.split()), changes, first, is_primed)


def by(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


PERSON = importlib.import_module("gateway.records.person")
HERS = uid(twins.at(FIRST, twins.PRACTICE))
VISIT = uid(twins.at(FIRST, twins.HIDDEN + twins.PLACE["Encounter"]))
POINTS = f"MedicationRequest/{uid(twins.at(FIRST, twins.POINTING))}"
MORE = f"Observation/{uid(twins.at(FIRST, twins.MORE + twins.PLACE['Observation']))}"
EVERY_TYPE = roles.types_of(roles.ALL)
PLANTS = {
    "a read asks no label": plant("Confidential", "dr-ward", "reads", (reading, "passes", by(_always(_always(True))))),
    "the store's condition has no label": plant("Service", "dr-ward", "wholes", (find, "find", lambda old: _unlabelled(old, 2))),
    "a total counts what is hidden": plant("Unclassified", "nurse-ward", "wholes", (selecting.Selection, "count", by(_count_all)), first=f"Observation?patient={HERS}&_total"),
    "a page is cut before it is filtered": plant("Sensitive", "dr-ward", "searches", (selecting.Selection, "page", by(_cut_first)),
        (selecting.Selection, "position", by(lambda self, *_: find.position(self._decided.query, self._last))), first=f"MedicationRequest?patient={HERS}&encounter={VISIT}&_count"),
    "a filter reads what is blanked": plant("Sensitive", "dr-ward", "searches sorts", (selecting, "as_seen", by(lambda stored, _: build.decode(stored.body))), first=f"MedicationRequest?patient={HERS}&encounter"),
    "what is blanked is served": plant("Legal", "dr-ward", "reads", (door.links, "redact", by(dict)), first=POINTS),
    "a chain is not decided": plant("Notopatient", "dr-ward", "chains", (hopping.Hops, "may_read", by(_always(True))), first=f"Observation?patient={HERS}&focus"),
    "an include is not decided": plant(
        "Withheld", "dr-green", "includes", (hopping.Hops, "may_read", by(_always(True))), (including, "_is_near", by(_always(True))), first=f"MedicationRequest?patient={HERS}&_include"),
    "_has sees what is hidden": plant("Confidential", "pharmacist", "backs", (hopping.Hops, "decision", _decided_open)),
    "an ETag is made of stored bytes": plant("Service", "dr-ward", "reads", (reading, "served", _tagged_by_bytes), first=POINTS),
    "a refusal says that there is something": plant("Sensitive", "dr-ward", "reads", (reading, "_versions", _forbidden), first=MORE),
    "others learn of what was deleted": plant("Deleted", "dr-ward", "reads", (reading, "_versions", _with_deleted), first=MORE),
    "others read superseded versions": plant(
        "Superseded", "dr-ward", "versions", (showing, "_history", by(lambda case, _: case.facts.active))),
    "an objection is not asked": plant("Objecting", "dr-ward", "reads", (labels, "OBJECTION", by(1 << 40))),
    "a restricted patient is not asked": plant("Restricted", "dr-green", "reads", (labels, "RESTRICTED", by(1 << 40))),
    "a death is not asked": plant("Dead", "dr-ward", "reads", (facts, "_is_dead", by(_always(False)))),
    "nobody asks for permission": plant("Unpermitted", "dr-ward", "reads", (facts, "_longest", _permitted)),
    "permission never ends": plant("Expired", "dr-ward", "reads", (facts, "_longest", _permitted)),
    "nobody asks for a relationship": plant("Discharged", "dr-ward", "reads", (access, "_is_attending", by(_always(True)))),
    "a switched-off publisher is shown": plant(
        "Suspended", "dr-green", "reads collections", (facts, "_gathered", lambda old: _all_active(old))),
    "$everything has no label": plant("Withheld", "dr-green", "collections", (compartment, "held", lambda old: _unlabelled(old, 1))),
    "the summary has no label": plant("Unclassified", "dr-ward", "documents", (PERSON, "passes", by(_always(_always(True))))),
    "a link leads to a hidden Patient": plant("Objecting", "dr-ward", "reads people", (linking, "within", by(lambda people, _: list(people)))),
    "scopes do not narrow": plant("Scoped", "scoped-ward", "collections", (scopes, "narrowed", by(lambda types, _: frozenset(types)))),
    "a role opens every type": plant("Pharmacist", "pharmacist", "collections", (roles, "types_of", by(lambda _: EVERY_TYPE))),
    "a reason is told to whom problems are closed": plant("Socialwork", "social-worker", "reads", (door, "tells", by(_always(frozenset()))), first=f"Encounter/{uid(twins.at(FIRST, twins.POINTING + 4))}"),
    "facts are remembered for everybody": plant(
        "Unpermitted", "dr-ward", "reads", (Cache, "get", _remembered_for_all), is_primed=True),
    "criteria match others' resources": plant(
        "Confidential", "tester", "writes", (criteria, "Allow", by(lambda types, _: Allow(types)))),
}  # fmt: skip
"""THE TABLE of planted leaks."""


def _all_active(original: Callable[..., Any]) -> Callable[..., Any]:
    def gathered(*sent: Any) -> Any:
        known = original(*sent)
        return replace(known, active=known.active | frozenset(range(1, 20)))

    return gathered


@pytest.mark.parametrize("planted", PLANTS.values(), ids=PLANTS)
def test_a_planted_leak_is_found(pair, monkeypatch, planted):
    case = BY_NAME[planted.case]
    assert planted.user in case.callers
    for holder, name, change in planted.changes:
        monkeypatch.setattr(holder, name, change(getattr(holder, name)))
    _forget(pair)
    try:
        if planted.is_primed:
            next(pair.leaks(case, case.witness, probes(case.name, *planted.families)), None)
        asked = probes(case.name, *planted.families, first=planted.first)
        assert next(pair.leaks(case, planted.user, asked), None) is not None
    finally:
        monkeypatch.undo()
        _forget(pair)


def _forget(pair: Twins) -> None:
    """Forget the facts that were remembered: no plant outlives its test."""
    for api in pair.apis:
        cache = api.app.state.door.cache
        cache._values.clear()


# Nothing is left out


def test_every_route_is_asked_or_set_aside():
    asked = {(probe.method, probe.path.partition("?")[0]) for probe in probes(FIRST)}  # fmt: skip
    for method, path in ROWS:
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path.replace("$", r"\$")))
        is_asked = any(known == method and pattern.fullmatch(place) for known, place in asked)
        assert is_asked or path in ASIDE or method == "DELETE" and path == "/fhir/bulk/{job}", (method, path)


def test_every_role_label_and_basis_has_its_case():
    callers = {user: roles.caller_from_claims({**sandbox.USERS, **twins.more_users("x")}[user]) for user in EVERYBODY - {""}}  # fmt: skip
    held = {(caller.role or caller.kind, act) for caller in callers.values() for rule in roles.RULES for act in rule.acts if rule in roles.rules_for(caller, act)}  # fmt: skip
    for rule in roles.RULES:
        for act in rule.acts & (roles.RESOURCES | access.VIEWS):
            assert any((role, act) in held for role in rule.roles), (rule.reason, act)
    bits = {case.bit for case in CASES}
    hiding = {
        label.bit for label in labels.LABELS if label.bit & (labels.HIDDEN_FROM_OTHERS | labels.HIDDEN_UNLESS_KEPT)
    }
    by_person = {labels.RESTRICTED, labels.LINKED}  # of a whole person, and of whatever is beside what is hidden
    assert hiding - by_person <= bits
    bases = {case.basis for case in CASES}
    claims = {basis for basis, row in access.BASES.items() if row.stands_in}  # they differ in who may record them alone
    assert bases >= {"", "expired", *access.BASES.keys() - claims} and bases & claims

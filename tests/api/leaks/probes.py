"""The requests that are asked of both stores, made from the tables that describe the API: every route that reads, every
search parameter of every type with its modifiers, every include, reference back, chain, order and form of an answer.

A family is a function from a person to requests about them; ``ROUTES`` says which families ask each route, and a test
wants one for each route of ``api.openapi.ROWS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, zip_longest
from urllib.parse import urlencode

from gateway.fhir import params
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.matching import clauses
from gateway.fhir.r4.defined import Definition
from tests.api.leaks.asking import Probe
from tests.api.leaks.twins import (
    COUNCIL,
    ELSEWHERE,
    HIDDEN,
    MORE,
    NUMBER,
    PLACE,
    POINTING,
    PRACTICE,
    SECOND_VISIT,
    SHOWN,
    TRUST,
    TYPES,
    UNKNOWN,
    WORDS,
    at,
    nhs_number,
)
from tests.api.people import EVERYTHING, uid

Family = Callable[[str], Iterator[Probe]]
FORM = (("content-type", "application/x-www-form-urlencoded"),)
SHAPES = ("", "_summary=true", "_summary=text", "_summary=data", "_elements=id", "_format=xml", "_pretty=true")
FIRST = next(iter(NUMBER))
SECRETS = tuple(word for word, _ in WORDS.values())
DATES = ("2021-01-01", "gt2024-06", "lt2021-06")
"""What is asked of a date: each day that is secret, and either side of both."""


def place(name: str, number: int) -> str:
    return uid(at(name, number))


def patients(name: str) -> list[str]:
    """Whom requests are about: each Patient of the person, and one that is not there."""
    return [place(name, number) for number in (PRACTICE, TRUST, COUNCIL, ELSEWHERE)] + [uid(UNKNOWN)]


def _query(path: str, *pairs: tuple[str, str]) -> Probe:
    return Probe(f"{path}?{urlencode(pairs)}", follows=any(name == "_count" for name, _ in pairs))


def reads(name: str) -> Iterator[Probe]:
    """Each resource by its id, in every form and on every condition."""
    ids = [("Patient", id_) for id_ in patients(name)]
    for first in (HIDDEN, SHOWN, MORE):
        ids += [(type_, place(name, first + PLACE[type_])) for type_ in TYPES]
    ids += [("Encounter", place(name, SECOND_VISIT)), ("Encounter", place(name, POINTING + 4))]
    ids += [("Observation", place(name, POINTING + number)) for number in (1, 3)]
    ids += [("MedicationRequest", place(name, POINTING))]
    for type_, id_ in ids:
        path = f"/fhir/{type_}/{id_}"
        yield Probe(path)
        for shape in SHAPES[1:]:
            yield Probe(f"{path}?{shape}")
        yield Probe(path, "HEAD")
        for tag in ('W/"1"', 'W/"2"', "*"):
            yield Probe(path, headers=(("if-none-match", tag),))
        yield Probe(path, headers=(("if-modified-since", "Fri, 01 Jan 2038 00:00:00 GMT"),))


def versions(name: str) -> Iterator[Probe]:
    """The versions of each resource."""
    for first in (HIDDEN, SHOWN):
        for type_ in TYPES:
            path = f"/fhir/{type_}/{place(name, first + PLACE[type_])}/_history"
            yield from (Probe(f"{path}/{number}") for number in (1, 2, 9))
            for more in ("", "?_count=1", "?_since=2020-01-01", "?_at=2026", "?_summary=count", "?_format=xml"):
                yield Probe(f"{path}{more}", follows="_count" in more)
    for id_ in patients(name):
        yield from (Probe(f"/fhir/Patient/{id_}/_history{more}") for more in ("", "/1", "/2"))


def values(name: str, row: Definition, modifier: str) -> list[str]:
    """What is asked of a parameter: what is secret in either store, and what is not."""
    visits = [
        place(name, HIDDEN + PLACE["Encounter"]),
        place(name, SECOND_VISIT),
        place(name, HIDDEN + PLACE["Condition"]),
    ]
    match (modifier, row.kind):
        case ("missing", _):
            return ["true", "false"]
        case (_, "date"):
            return list(DATES)
        case ("identifier", "reference"):
            return ["urn:test:ids|id-hiv"]
        case (_, "reference"):
            return visits
        case (_, "quantity" | "number"):
            return ["5.1", "gt5"]
        case (_, "composite"):
            return ["k$gt5", *(f"{word}-c105-{HIDDEN + PLACE['Observation']}$gt0" for word in SECRETS)]
        case (_, "uri"):
            return ["urn:toy:A99001"]
        case ("of-type", _):
            return ["urn:test:codes|MR|1"]
        case _ if row.name == "identifier":
            return [
                f"urn:test:ids|{word}-id-{PLACE_OF[row.type]}-{HIDDEN + PLACE.get(row.type, 0)}" for word in SECRETS
            ]
    codes = [
        f"{word}-{code}-{HIDDEN + PLACE.get(row.type, 0)}" for word in SECRETS for code in CODES_OF.get(row.type, ())
    ]
    return [*codes, "final"] if modifier == "" else [",".join([*codes, "final"])]


def _codes() -> dict[str, tuple[str, ...]]:
    """Type → the codes of its resource in ``people.EVERYTHING``, as they are before a word is put before each."""
    return {type_: tuple(sorted(set(re.findall(r"'([ckvrt]\d{3})'", str(held))))) for type_, held in EVERYTHING.items()}


CODES_OF = _codes()
PLACE_OF = {type_: next(iter(codes), "c000")[1:] for type_, codes in CODES_OF.items()}


def searches(name: str) -> Iterator[Probe]:
    """Every parameter of every type, with each modifier, of each Patient of the person and of their number."""
    numbered = f"{NHS_NUMBER}|{nhs_number(name)}"
    for type_ in TYPES:
        whom = [("patient", id_) for id_ in patients(name)] + [("patient.identifier", numbered)]
        for number, row in enumerate(params.searchable(type_).values()):
            for modifier in ("", *clauses.modifiers(row)):
                for value in values(name, row, modifier):
                    asked = f"{row.name}:{modifier}" if modifier else row.name
                    first = whom[0] if number % 3 else whom[number % len(whom)]
                    yield _query(f"/fhir/{type_}", first, (asked, value))
                    more = ("_count", "1") if row.kind == "reference" else ("_summary", "count")
                    yield _query(f"/fhir/{type_}", whom[0], (asked, value), more)


def wholes(name: str) -> Iterator[Probe]:
    """All that is held of each type: counted, cut, in every form, by GET and by POST, and by id alone."""
    numbered = f"{NHS_NUMBER}|{nhs_number(name)}"
    forms: tuple[tuple[tuple[str, str], ...], ...] = (
        (), (("_total", "accurate"),), (("_count", "0"),), (("_count", "1"), ("_total", "accurate")), (("_summary", "count"),),
        (("_summary", "text"),), (("_summary", "true"),), (("_elements", "id"),), (("_format", "xml"),), (("_lastUpdated", "gt2020"),),
        (("_security", "R"),), (("_security:missing", "true"),),
    )  # fmt: skip
    for type_ in TYPES:
        whom = [("patient", id_) for id_ in patients(name)] + [("patient.identifier", numbered)]
        for who in whom:
            for form in forms:
                yield _query(f"/fhir/{type_}", who, *form)
            yield Probe(f"/fhir/{type_}/_search", "POST", FORM, urlencode([who, ("_total", "accurate")]).encode())
        path = f"/fhir/Patient/{place(name, PRACTICE)}/{type_}"
        yield Probe(f"{path}?_total=accurate")
        yield Probe(f"{path}/_search", "POST", FORM, b"_total=accurate")
        ids = ",".join(place(name, first + PLACE[type_]) for first in (HIDDEN, SHOWN, MORE))
        yield _query(f"/fhir/{type_}", ("_id", ids), ("_total", "accurate"))
        yield _query(f"/fhir/{type_}", ("patient", ",".join(patients(name))), ("_total", "accurate"))
        yield Probe(
            f"/fhir/{type_}?patient={place(name, PRACTICE)}&nonsense=1", headers=(("prefer", "handling=lenient"),)
        )


def sorts(name: str) -> Iterator[Probe]:
    """Every order, page by page."""
    for type_ in TYPES:
        for row in params.searchable(type_).values():
            for order in (row.name, f"-{row.name}"):
                yield _query(f"/fhir/{type_}", ("patient", place(name, PRACTICE)), ("_sort", order), ("_count", "2"))


def includes(name: str) -> Iterator[Probe]:
    """Every include and every reference back, once and on and on."""
    who = ("patient", place(name, PRACTICE))
    for type_ in TYPES:
        for param in params.includes(type_):
            yield _query(f"/fhir/{type_}", who, ("_include", f"{type_}:{param}"), ("_total", "accurate"))
        yield _query(f"/fhir/{type_}", who, ("_include", "*"))
        for source, param in params.referring(type_):
            yield _query(f"/fhir/{type_}", who, ("_revinclude", f"{source}:{param}"))
            yield _query(
                f"/fhir/{type_}", who, ("_revinclude", f"{source}:{param}"), ("_include:iterate", f"{source}:{param}")
            )
    for source, param in params.referring("Patient"):
        yield _query("/fhir/Patient", ("_id", place(name, PRACTICE)), ("_revinclude", f"{source}:{param}"))


def chains(name: str) -> Iterator[Probe]:
    """What a reference leads to is asked for its codes, dates and labels."""
    who = ("patient", place(name, PRACTICE))
    for type_ in TYPES:
        for param, targets in params.includes(type_).items():
            for target in targets:
                for asked, value in _inner(name, target):
                    yield _query(f"/fhir/{type_}", who, (f"{param}:{target}.{asked}", value))


def backs(name: str) -> Iterator[Probe]:
    """What refers back is asked for the same."""
    for type_ in ("Patient", *TYPES):
        who = ("_id", place(name, PRACTICE)) if type_ == "Patient" else ("patient", place(name, PRACTICE))
        for source, param in params.referring(type_):
            for asked, value in _inner(name, source):
                yield _query(f"/fhir/{type_}", who, (f"_has:{source}:{param}:{asked}", value))


def _inner(name: str, type_: str) -> Iterator[tuple[str, str]]:
    """The conditions at the end of a hop: on a code, a date, an id, a label and on whether there is anything."""
    main = params.main_date(type_)
    rows = params.searchable(type_)
    for asked in ("code", "type", "vaccine-code", "relationship"):
        if asked in rows:
            yield from ((asked, value) for value in values(name, rows[asked], "")[:2])
    if main:
        yield from ((main.name, value) for value in DATES[:2])
    yield "_lastUpdated", "gt2020"
    yield "_id", place(name, HIDDEN + PLACE.get(type_, 0))
    yield "_security:missing", "false"


def people(name: str) -> Iterator[Probe]:
    """The person by id, number and name, and the phone number that is secret of some."""
    numbered = f"{NHS_NUMBER}|{nhs_number(name)}"
    whom = [(("_id", id_),) for id_ in patients(name)]
    whom += [(("identifier", numbered),), (("family", name), ("given", "ann")), (("family", name),)]
    for who in whom:
        for more in (
            (), ("_total", "accurate"), ("_summary", "count"), ("_count", "1"), ("phone", "hiv"), ("phone:missing", "false"), ("telecom", "flu"),
            ("_sort", "phone"), ("_format", "xml"), ("deceased", "true"), ("active:missing", "true"), ("_security:missing", "true"),
        ):  # fmt: skip
            yield _query("/fhir/Patient", *who, *([more] if more else []))


def documents(name: str) -> Iterator[Probe]:
    """The summaries: both views, by id and by number, as a document and as a page."""
    numbered = f"{NHS_NUMBER}|{nhs_number(name)}"
    for view in ("shared", "summary"):
        for kind in ("json", "xml", "html"):
            for id_ in patients(name):
                yield Probe(f"/fhir/Patient/{id_}/$summary?view={view}&_format={kind}")
            yield _query("/fhir/Patient/$summary", ("identifier", numbered), ("view", view), ("_format", kind))
        for id_ in patients(name)[:2]:
            yield Probe(f"/fhir/Patient/{id_}/$summary", "POST", FORM, f"view={view}".encode())
        form = urlencode([("identifier", numbered), ("view", view)]).encode()
        yield Probe("/fhir/Patient/$summary", "POST", FORM, form)
    yield _query("/fhir/Patient/$summary", ("identifier", nhs_number(name)), ("profile", "urn:none"))


def collections(name: str) -> Iterator[Probe]:
    """``$everything``, ``$docref`` and ``$lastn``, and the content of documents."""
    for id_ in patients(name):
        path = f"/fhir/Patient/{id_}/$everything"
        for more in (
            "", "?_count=3", "?_type=Observation,Condition", "?_since=2020-01-01", "?start=2021-01-01&end=2021-01-01", "?start=2024-06-06", "?_format=xml",
            "?_type=Practitioner,Organization", "?_count=250",
        ):  # fmt: skip
            yield Probe(f"{path}{more}", follows="_count" in more)
        yield Probe(path, "POST", FORM, b"_type=Encounter")
        for more in (
            "",
            "&start=2021-01-01&end=2022",
            f"&type=urn:test:codes|hiv-t128-{HIDDEN + PLACE['DocumentReference']}",
            "&type=urn:none|none",
        ):
            yield Probe(f"/fhir/DocumentReference/$docref?patient={id_}{more}")
        for more in (
            "",
            "&max=3",
            "&code=urn:none|k",
            f"&category=urn:test:codes|hiv-k105-{HIDDEN + PLACE['Observation']}",
        ):
            yield Probe(f"/fhir/Observation/$lastn?patient={id_}{more}")
        yield Probe("/fhir/DocumentReference/$docref", "POST", FORM, f"patient={id_}".encode())
        yield Probe("/fhir/Observation/$lastn", "POST", FORM, f"patient={id_}&max=2".encode())
    for first in (HIDDEN, SHOWN):
        for number in ("", "-0", "-1"):
            document = place(name, first + PLACE["DocumentReference"])
            yield from (Probe(f"/fhir/Binary/{document}{number}", headers=(("accept", kind),)) for kind in ("*/*", "application/fhir+xml"))  # fmt: skip


def books(name: str) -> Iterator[Probe]:
    """The directory, as far as a person may be told by it."""
    for type_ in params.DIRECTORY_TYPES:
        for more in (
            "_count=1&_total=accurate",
            f"_id={uid(117)}&_total=accurate",
            "_summary=count",
            "_lastUpdated=gt2020",
        ):
            yield Probe(f"/fhir/{type_}?{more}")
    yield Probe(f"/fhir/Practitioner/{uid(117)}")
    yield Probe(f"/fhir/Practitioner?_id={uid(117)}&_has:PractitionerRole:practitioner:organization={uid(116)}")


def refusals(name: str) -> Iterator[Probe]:
    """What is refused, about ids that are there in one store only: no words may tell."""
    hidden = place(name, MORE + PLACE["Observation"])
    for path in (
        f"/fhir/Observation/{hidden}?nonsense=1", f"/fhir/Observation/{hidden}/$nothing", f"/fhir/Observation?_id={hidden}&code:nonsense=1",
        f"/fhir/Observation?patient={place(name, PRACTICE)}&_sort=nonsense", f"/fhir/Observation?patient={place(name, PRACTICE)}&_cursor=abc",
        f"/fhir/Condition/{hidden}", f"/fhir/Encounter/{place(name, MORE + PLACE['Encounter'])}/Observation", f"/fhir/Nothing/{hidden}",
        f"/fhir/Observation/{hidden}?_format=yaml", f"/fhir/Observation/{hidden}?_summary=count", f"/fhir/Patient/{hidden}/$everything",
        "/fhir/metadata", "/fhir/$export", "/fhir/Patient/$export", "/fhir/bulk/none", "/fhir/bulk/none/none.ndjson", "/quality", "/openapi.json",
    ):  # fmt: skip
        yield Probe(path)


def writes(name: str) -> Iterator[Probe]:
    """What a contributor writes about others' records. Nothing here is stored: a resource by an id that is free would
    be, which is left to the tests of writing."""
    json = (("content-type", "application/fhir+json"),)
    patch = (("content-type", "application/json-patch+json"),)
    for first in (HIDDEN, SHOWN):
        hidden = place(name, first + PLACE["Observation"])
        subject = b'{"reference":"Patient/%s"}' % place(name, PRACTICE).encode()
        held = b'"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":' + subject
        yield Probe("/fhir/Observation", "POST", json, b"{" + held + b"}")
        yield Probe(f"/fhir/Observation/{hidden}", "DELETE")
        yield Probe(
            f"/fhir/Observation/{hidden}", "PATCH", patch, b'[{"op":"replace","path":"/status","value":"final"}]'
        )
        yield Probe(f"/fhir/Observation/{hidden}", "PUT", json, b'{"id":"%s",' % hidden.encode() + held + b"}")
        criteria = f"identifier=urn:test:ids|hiv-id-105-{first + PLACE['Observation']}"
        yield Probe("/fhir/Observation", "POST", (*json, ("if-none-exist", criteria)), b"{" + held + b"}")
        yield Probe(f"/fhir/Observation?{criteria}", "DELETE")
        yield Probe(f"/fhir/Observation?{criteria}", "PUT", json, b"{" + held + b"}")
        yield Probe(
            f"/fhir/Observation?{criteria}", "PATCH", patch, b'[{"op":"replace","path":"/status","value":"final"}]'
        )
        entry = b'{"resource":{%s},"request":{"method":"POST","url":"Observation"}}' % held
        for kind in (b"batch", b"transaction"):
            yield Probe("/fhir", "POST", json, b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind, entry))
        yield Probe(f"/fhir/Observation/{hidden}/$validate", "POST", json, b"{" + held + b"}")
        yield Probe("/fhir/Observation/$validate?mode=create", "POST", json, b"{" + held + b"}")


FAMILIES: dict[str, Family] = {
    "reads": reads, "versions": versions, "searches": searches, "wholes": wholes, "sorts": sorts, "includes": includes, "chains": chains, "backs": backs,
    "people": people, "documents": documents, "collections": collections, "books": books, "refusals": refusals, "writes": writes,
}  # fmt: skip
ASIDE: dict[str, str] = {
    "/livez": "tells of no store", "/readyz": "tells of no resource", "/metrics": "of the operator: counts of the whole gateway",
    "/auth/token": "tells of clients alone", "/auth/introspect": "tells of tokens alone", "/auth/revoke": "tells of tokens alone",
    "/auth/jwks": "tells of keys alone", "/auth/authorize": "tells of the sandbox's users", "/fhir/$reset": "removes what testers wrote",
    "/fhir/": "as /fhir",
    **dict.fromkeys(
        ("/", "/signin", "/signin/{name}/back", "/signin/{name}/logout", "/signin/role", "/signout", "/launch",
         "/auth/.well-known/openid-configuration", "/fhir/Practitioner/sandbox-{user}"), "tells of who signs in"),
    **dict.fromkeys(("/alerts", "/alerts/{id_}"), "tells of staff and of the audit: tests/oversight"),
    "/my/choices": "tells a person alone which choices of theirs are held: tests/api/test_own_pages.py",
    "/my/looked": "tells a person alone who looked, nothing of the record: tests/api/test_own_pages.py",
    **dict.fromkeys(("/record", "/record/{id_}"), "takes sessions: the page of $summary, which a family asks with tokens"),
    **dict.fromkeys(("/fhir/Group", "/fhir/Group/_search", "/fhir/Group/{id_}", "/fhir/Group/{id_}/$changes"), "lists of an organisation: test_caseload"),
    **dict.fromkeys(("/fhir/Subscription", "/fhir/Subscription/{id_}", "/fhir/Subscription/{id_}/$status"), "a system's own: tests/notify ask for silence"),
    **dict.fromkeys(("/fhir/$export", "/fhir/Patient/$export"), "starts what a family asks by GET: of nobody"),
    "/sandbox/pack": "loads people that are invented",
    "/find": "takes sessions: a search of the API, of which it shows one exact match (tests/api/test_permission_pages)",
    "/permission": "answers every number alike (tests/api/test_permission_pages)",
    "/fhir/.well-known/smart-configuration": "tells of no store", "/sandbox/permission": "answers every number alike (test_access)",
}  # fmt: skip
"""Routes that no family asks, and why."""


@lru_cache(maxsize=64)
def _pattern(*families: str) -> tuple[Probe, ...]:
    """The requests about the first person, one of each family after the other."""
    lists = [list(FAMILIES[family](FIRST)) for family in families or FAMILIES]
    return tuple(probe for probe in chain.from_iterable(zip_longest(*lists)) if probe is not None)


def probes(name: str, *families: str, first: str = "", part: slice = slice(None)) -> Iterator[Probe]:
    """The requests about a person, or a part of them, so mixed that any part is a bit of each family. Those whose
    address holds ``first``, written of the first person of the table, come first."""
    pattern = _pattern(*families)
    if first:
        pattern = tuple(sorted(pattern, key=lambda probe: first not in probe.path))
    for probe in pattern[part]:
        yield probe if name == FIRST else _about(probe, name)


def _about(probe: Probe, name: str) -> Probe:
    """The same request about another person."""
    return replace(probe, path=_renamed(probe.path, name), body=_renamed(probe.body.decode(), name).encode(), headers=tuple(
        (header, _renamed(value, name)) for header, value in probe.headers))  # fmt: skip


def _renamed(text: str, name: str) -> str:
    text = re.sub(r"00001(\d{3})(?=-0000-5000)", rf"{NUMBER[name]:05d}\1", text)
    return text.replace(FIRST, name).replace(nhs_number(FIRST), nhs_number(name))

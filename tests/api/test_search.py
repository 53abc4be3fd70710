"""Search: every row of the table finds what holds it and nothing else; pages, order, includes; and what is not there
is refused by name."""

import time

import pytest

from gateway.fhir import params
from gateway.fhir.expression import compiled
from gateway.fhir.index import fold
from tests.api.people import ANN, EVERYTHING, uid

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ANN_IS_ASKED = {"patient": f"Patient/{uid(1)}"}
PREFIX = {"eq": True, "ge": True, "gt": False, "le": True, "lt": False, "ne": False, "sa": False, "eb": False}
"""Whether a date is found by its own day."""


def named(type_: str) -> dict[str, str]:
    """What says who a search of a type is about."""
    return {"_id": uid(1)} if type_ == "Patient" else ANN_IS_ASKED if type_ in params.PATIENT_TYPES else {}


def held(type_: str, path: str) -> list:
    """The values an element of the type's example has; of a choice, whichever is there."""
    values = [EVERYTHING[type_]]
    for part in path.split("."):
        inner = [value.get(part, value.get(part + "DateTime", value.get(part + "Period"))) for value in values]
        values = [each for value in inner for each in (value if isinstance(value, list) else [value])]
    return values


def forms(type_: str, row: params.Param) -> list[tuple[str, str]]:
    """(right, wrong) values to search by, in every form that the kind has."""
    value = held(type_, row.paths[type_])[-1]
    match row.kind:
        case "string":
            return [
                (value, "zz"),
                (value[:3].upper(), "zz"),
                (fold(value), "zz" + fold(value)),
                (f"zz,{value}", "zz,yy"),
            ]
        case "reference":
            reference = value["reference"]
            kind = reference.split("/")[0]
            return [
                (reference, f"{kind}/{uid(9)}"),
                (f"http://127.0.0.1:8000/fhir/{reference}", f"https://elsewhere.example/fhir/{reference}"),
                (uid_of(reference), uid(9)),
            ]
        case "date":
            text = value["start"] if isinstance(value, dict) else value
            return [
                (text[:4], "1999"),
                (text[:7], "1999-05"),
                (f"ge{text[:10]}", "lt1900"),
                (f"1999,{text[:4]}", "1999,1998"),
                ("sa1900", "gt2030"),
            ]
    if isinstance(value, str):
        return [
            (value, "zz"),
            (f"|{value}", "|zz"),
            (f"zz,{value}", "zz,yy"),
            (f"{params.searchable(type_)[row.name].system}|{value}", f"urn:other|{value}"),
        ]
    coding = (
        value["coding"][0]
        if "coding" in value
        else {"system": value["system"], "code": value.get("code", value.get("value"))}
    )
    both = (f"{coding['system']}|{coding['code']}", f"{coding['system']}|zz")
    elsewhere = (both[0], f"urn:other|{coding['code']}")
    return [both, elsewhere, (coding["code"], "zz"), (f"zz,{coding['code']}", f"|{coding['code']}")]


def uid_of(reference: str) -> str:
    return reference.split("/")[1]


ROWS = [(type_, row) for type_ in params.SEARCHABLE for row in params.indexed(type_).values()]


@pytest.mark.parametrize("type_, row", ROWS, ids=lambda each: each if isinstance(each, str) else each.name)
def test_every_indexed_parameter_finds_what_holds_it_and_nothing_by_a_wrong_value(everything, type_, row):
    me = f"{type_}/{EVERYTHING[type_]['id']}"
    for right, wrong in forms(type_, row):
        assert me in everything.found(f"/fhir/{type_}", **named(type_), **{row.name: right}), right
        assert me not in everything.found(f"/fhir/{type_}", **named(type_), **{row.name: wrong}), wrong


@pytest.mark.parametrize("type_", params.SEARCHABLE)
def test_every_type_is_found_by_id_by_its_last_update_and_by_whose_it_is(everything, type_):
    me, path = f"{type_}/{EVERYTHING[type_]['id']}", f"/fhir/{type_}"
    assert everything.found(path, _id=uid_of(me)) == [me]
    assert everything.found(path, _id=uid(9)) == []
    assert me in everything.found(path, **named(type_), _lastUpdated="ge2026-03")
    assert everything.found(path, **named(type_), _lastUpdated="lt2026-03") == []
    for who in params.about(type_):
        for value in (f"Patient/{uid(1)}", uid(1)):
            assert me in everything.found(path, **{who: value})
        for chain in (".identifier", ":Patient.identifier"):
            assert me in everything.found(path, **{who + chain: f"{NUMBER}|{ANN}"})


@pytest.mark.parametrize("prefix, is_found", PREFIX.items())
@pytest.mark.parametrize("type_, name", [("Observation", "date"), ("Condition", "recorded-date")])
def test_a_prefix_of_a_date_means_what_the_standard_says(everything, type_, name, prefix, is_found):
    day = "2021-05-04" if name == "date" else "2022-06-07"
    found = everything.found(
        f"/fhir/{type_}", **ANN_IS_ASKED, **{name: prefix + day, "code": "c105" if name == "date" else "c102"}
    )
    assert bool(found) is is_found


def test_parameters_are_all_asked_and_their_alternatives_any(everything):
    both = {"code": "c105,c106", "status": "final"}
    assert len(everything.found("/fhir/Observation", **ANN_IS_ASKED, **both)) == 1
    assert everything.found("/fhir/Observation", **ANN_IS_ASKED, code="c105", status="amended") == []


NAMES = {"family": "ames", "given": "ann", "birthdate": "1980-02-29"}


@pytest.mark.parametrize("left_out", [None, *NAMES])
def test_a_patient_is_found_by_two_of_family_given_and_birth_date(everything, left_out):
    asked = {name: value for name, value in NAMES.items() if name != left_out}
    assert everything.found("/fhir/Patient", **asked) == [f"Patient/{uid(1)}"]
    assert everything.found("/fhir/Patient", **{**asked, next(iter(asked)): "1999"}) == []


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"gender": "female"},
        *({name: value} for name, value in NAMES.items()),
        {"family": "ames", "gender": "female"},
    ],
)
def test_no_one_browses_by_surname(everything, asked):
    assert everything.get("/fhir/Patient", **asked).status_code == 400


@pytest.mark.parametrize("identifier", [f"{NUMBER}|{ANN}", f"{NUMBER}|999 000 0018", "urn:test:ids|id-1", "id-1"])
def test_an_identifier_finds_its_patient(everything, identifier):
    assert everything.found("/fhir/Patient", identifier=identifier) == [f"Patient/{uid(1)}"]


def test_a_search_in_a_body_finds_the_same_as_one_in_the_url(everything):
    asked = {"patient.identifier": f"{NUMBER}|{ANN}", "code": "c105"}
    answer = everything.ask("POST", "/fhir/Observation/_search", data=asked)
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [uid(105)]
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    split = everything.ask("POST", "/fhir/Observation/_search?code=c105", data={"patient": uid(1)})
    assert len(split.json()["entry"]) == 1


# Pages and order


def walk(api, path: str, **asked: str) -> list[list[str]]:
    """The ids of each page, by following ``next`` to the end."""
    pages, answer = [], api.get(path, **asked).json()
    while len(pages) < 20:
        pages.append([entry["resource"]["id"] for entry in answer.get("entry", ())])
        links = {link["relation"]: link["url"] for link in answer["link"]}
        if "next" not in links:
            return pages
        answer = api.get(links["next"].removeprefix("http://127.0.0.1:8000")).json()
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("order", ["date", "-date", "_lastUpdated", "-_lastUpdated"])
@pytest.mark.parametrize("count", [1, 4, 13, 50])
def test_pages_walked_to_the_end_hold_everything_once(everything, order, count):
    pages = walk(everything, "/fhir/Observation", **ANN_IS_ASKED, code="daily", _sort=order, _count=str(count))
    assert all(len(page) == count for page in pages[:-1]) and 0 < len(pages[-1]) <= count
    found = [id_ for page in pages for id_ in page]
    assert len(found) == len(set(found)) == 13
    if order.endswith("date"):
        days = [everything_day(id_) for id_ in found]
        assert days == sorted(days, reverse=order.startswith("-"))


def everything_day(id_: str) -> int:
    """The day of one of the daily observations; the undated come before all others."""
    number = int(id_[:8]) - 200
    return number // 2 if number < 10 else -1


def test_without_an_order_the_newest_come_first(everything):
    asked = {**ANN_IS_ASKED, "code": "daily"}
    assert everything.found("/fhir/Observation", **asked) == everything.found(
        "/fhir/Observation", **asked, _sort="-date"
    )


def test_the_directory_has_pages_too(everything):
    pages = walk(everything, "/fhir/Organization", _count="1")
    assert [uid(116)] in pages


def next_link(api, path: str, user: str = "dr-green", **asked: str) -> str:
    return next(
        link["url"] for link in api.get(path, user, **asked).json()["link"] if link["relation"] == "next"
    ).partition(":8000")[2]


def test_a_cursor_is_its_callers_and_its_querys_alone(everything):
    link = next_link(everything, "/fhir/Observation", **ANN_IS_ASKED, code="daily", _count="2")
    assert everything.get(link).status_code == 200
    cursor = link.partition("_cursor=")[2]
    others = [
        everything.get(link, "nurse-ward"), everything.get(link, "dr-other"), everything.get(link.replace("daily", "c105")),
        everything.get(link.replace("Observation", "Condition")), everything.get(f"/fhir/Observation?_cursor={cursor}"),
        everything.get(link[:-8] + "AAAAAAA="), everything.get(link.replace(cursor, "x")), everything.get(link.replace("_count=2", "_count=3")),
    ]  # fmt: skip
    assert [answer.status_code for answer in others] == [400] * len(others)
    assert {answer.json()["issue"][0]["details"]["text"] for answer in others} == {"parameter _cursor"}


def test_a_cursor_ends_with_its_hour(everything, monkeypatch):
    link = next_link(everything, "/fhir/Observation", **ANN_IS_ASKED, code="daily", _count="2")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3700)
    answer = everything.get(link)
    assert answer.status_code == 410 and "ask again" in answer.text


PRIVATE = [
    ("/fhir/Observation", {"patient.identifier": f"{NUMBER}|{ANN}", "code": "daily"}),
    ("/fhir/Observation", {"subject:Patient.identifier": f"{NUMBER}|{ANN}", "code": "daily"}),
    ("/fhir/Patient", {"identifier": f"{NUMBER}|{ANN}"}),
    ("/fhir/Patient", {"family": "ames", "given": "ann"}),
    ("/fhir/Patient", {"family": "ames", "birthdate": "1980-02-29"}),
]


@pytest.mark.parametrize("path, asked", PRIVATE)
def test_no_link_names_a_person(everything, path, asked):
    answer = everything.get(path, _count="2", **asked).json()
    links = " ".join(link["url"] for link in answer["link"])
    assert answer["entry"] and not any(text in links for text in (ANN, "ames", "ann&", "1980"))


def test_pages_of_a_search_by_number_go_on_without_it(everything):
    pages = walk(everything, "/fhir/Observation", **{"patient.identifier": f"{NUMBER}|{ANN}"}, code="daily", _count="5")
    assert sum(map(len, pages)) == 13 and len(pages) == 3


def test_a_total_is_told_when_asked_for(everything):
    asked = {**ANN_IS_ASKED, "code": "daily", "_count": "2"}
    assert "total" not in everything.get("/fhir/Observation", **asked).json()
    assert everything.get("/fhir/Observation", **asked, _total="accurate").json()["total"] == 13


# Includes


def pointed(type_: str, name: str) -> list[str]:
    """What the example of a type refers to by a parameter, here and now."""
    values = compiled(type_, params.searchable(type_)[name].expression)(EVERYTHING[type_])
    return [
        value["reference"] for _, value in values if value["reference"].split("/")[0] in params.includes(type_)[name]
    ]


INCLUDES = [(type_, name) for type_ in params.SEARCHABLE for name in params.includes(type_) if pointed(type_, name)]
ALWAYS = {("DiagnosticReport", "result"), ("Encounter", "service-provider"), ("Observation", "patient"), ("Patient", "organization"),
          ("PractitionerRole", "practitioner"), ("Provenance", "target"), ("Appointment", "slot")}  # fmt: skip


def test_the_examples_have_the_references_that_most_clients_follow():
    assert set(INCLUDES) >= ALWAYS and len(INCLUDES) > 60


@pytest.mark.parametrize("type_, name", INCLUDES)
def test_every_include_brings_what_is_pointed_at(everything, type_, name):
    targets = list(dict.fromkeys(pointed(type_, name)))
    asked = {**named(type_), "_id": EVERYTHING[type_]["id"]}
    found = everything.found(f"/fhir/{type_}", mode="include", **asked, _include=f"{type_}:{name}")
    assert sorted(found) == sorted(targets)
    typed = f"{type_}:{name}:{targets[0].split('/')[0]}"
    assert everything.found(f"/fhir/{type_}", mode="include", **asked, _include=typed) == targets[:1]
    assert everything.found(f"/fhir/{type_}", mode="include", **asked) == []


def test_several_includes_bring_each_thing_once(everything):
    asked = {
        "_id": uid(106),
        "_include": ["DiagnosticReport:result", "DiagnosticReport:patient", "DiagnosticReport:subject"],
    }
    assert sorted(everything.found("/fhir/DiagnosticReport", mode="include", **asked)) == [
        f"Observation/{uid(105)}",
        f"Patient/{uid(1)}",
    ]


# Refused by name

SECRET = "Zebrafish"
INCLUDABLE = "parameter _include: " + ", ".join(
    f"Observation:{name}" for name in sorted(params.includes("Observation"))
)
SORTABLE = "parameter _sort: up to five search parameters of the type"
REFUSED = [
    ("Observation", {"nonsense": SECRET}, 400, "parameter nonsense"),
    ("Observation", {"code:in": SECRET}, 400, "parameter code:in"),
    ("Observation", {"code:below": SECRET}, 400, "parameter code:below"),
    ("Observation", {"code:exact": SECRET}, 400, "parameter code:exact"),
    ("Observation", {"date:missing": SECRET}, 400, "parameter date:missing: true or false"),
    ("Observation", {"subject.nickname": SECRET}, 400, "parameter subject.nickname"),
    ("Observation", {"encounter.date": SECRET}, 400, "parameter date"),
    ("Observation", {"_has:Provenance:target:nonsense": SECRET}, 400, "parameter nonsense"),
    ("Observation", {"_revinclude": SECRET}, 400, "parameter _revinclude: Type:parameter"),
    ("Observation", {"_include:iterate": SECRET}, 400, "parameter _include: Type:parameter"),
    ("Observation", {"_summary": SECRET}, 400, "parameter _summary"),
    ("Observation", {"_elements": SECRET}, 400, "parameter _elements"),
    ("Observation", {"_filter": SECRET}, 400, "parameter _filter"),
    ("Observation", {"_include": SECRET}, 400, INCLUDABLE),
    ("Observation", {"_include": "*"}, 400, INCLUDABLE),
    ("Observation", {"_include": f"Observation:{SECRET}"}, 400, INCLUDABLE),
    ("Observation", {"_include": "Encounter:subject"}, 400, INCLUDABLE),
    ("Observation", {"_include": f"Observation:encounter:{SECRET}"}, 400, INCLUDABLE),
    ("Observation", {"_include": "Observation:encounter:Patient"}, 400, INCLUDABLE),
    ("Observation", {"performer": f"Slot/{SECRET}"}, 400, "parameter performer: Type/id"),
    ("Observation", {"_sort": SECRET}, 400, SORTABLE),
    ("Observation", {"_sort": "code-value-date"}, 400, SORTABLE),
    ("Observation", {"_count": SECRET}, 400, "parameter _count"),
    ("Observation", {"_count": "-1"}, 400, "parameter _count"),
    ("Observation", {"_count": "²"}, 400, "parameter _count"),
    ("Observation", {"_total": SECRET}, 400, "parameter _total"),
    ("Observation", {"_format": "ttl"}, 406, "accept: application/fhir+json, application/fhir+xml"),
    ("Observation", {"date": SECRET}, 400, "parameter date"),
    ("Observation", {"date": "2024-13"}, 400, "parameter date"),
    ("Observation", {"_lastUpdated": SECRET}, 400, "parameter _lastUpdated"),
    ("Observation", {"encounter": f"Patient/{SECRET}"}, 400, "parameter encounter: Type/id"),
    ("Observation", {"code": ""}, 400, "parameter code"),
    ("Observation", {"code": f"a|b|{SECRET}"}, 400, "parameter code: code, |code, system| or system|code"),
    ("Observation", {"code": ",".join([SECRET] * 51)}, 413, "parameter code"),
    ("AllergyIntolerance", {"subject": SECRET}, 400, "parameter subject"),
    ("Immunization", {"subject.identifier": SECRET}, 400, "parameter subject.identifier"),
    ("Organization", {"patient": SECRET}, 400, "parameter patient"),
    ("Patient", {"phonetic": SECRET}, 400, "parameter phonetic: no sounds are compared"),
    ("Location", {"near": SECRET}, 400, "parameter near: no distances are measured"),
]  # fmt: skip


@pytest.mark.parametrize("type_, asked, status, text", REFUSED)
def test_what_is_not_there_is_refused_by_name_and_without_the_value(everything, type_, asked, status, text):
    who = {} if type_ in ("Organization", "Location", "Patient") or "subject" in next(iter(asked)) else ANN_IS_ASKED
    answer = everything.get(f"/fhir/{type_}", **who, **asked)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert answer.json()["issue"][0]["details"]["text"] == text
    assert SECRET not in answer.text and SECRET not in str(answer.headers)


@pytest.mark.parametrize("type_, text", [("Medication", "resource type Medication"), ("Basic", "resource type Basic"), (SECRET, "resource type"),
                                         ("patient", "resource type"), ("9990000018", "resource type")])  # fmt: skip
def test_a_type_that_is_not_served_is_named_only_if_it_is_one(everything, type_, text):
    for path in (f"/fhir/{type_}", f"/fhir/{type_}/1", f"/fhir/{type_}/1/_history", f"/fhir/{type_}/1/_history/1"):
        answer = everything.get(path)
        assert (answer.status_code, answer.json()["issue"][0]["details"]["text"]) == (404, text)


def test_a_persons_data_are_searched_for_one_person(everything):
    answer = everything.get("/fhir/Observation", code="c105")
    assert (answer.status_code, answer.json()["issue"][0]["details"]["text"]) == (
        400,
        "patient: a search on a person's data names one person",
    )

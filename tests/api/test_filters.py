"""Searches that no index answers: every kind, prefix, modifier and hop finds what it should, and tells nobody what is
hidden from them."""

import re
from decimal import Decimal

import pytest

from gateway import config
from gateway.composition import create_gateway
from gateway.records import hopping
from tests.api import people
from tests.api.conftest import Api, Clock
from tests.api.people import ANN, EVERYTHING, SETS, coded, encounter, observation, row, to, uid
from tests.toy import deliver, resource

ANN_IS_ASKED = {"patient": uid(1)}
P = to("Patient", 1)
LOINC = "http://loinc.org"


def quantity(value: str, unit: str = "mmol/L", **more) -> dict:
    return {"value": Decimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit, **more}


PRESSURE = [
    {"code": coded("8480-6", LOINC), "valueQuantity": quantity("142", "mm[Hg]")},
    {"code": coded("8462-4", LOINC), "valueQuantity": quantity("85", "mm[Hg]")},
]
ACTIVE = coded("active", f"{people.HL7}allergyintolerance-clinical")
RESOLVED = coded("resolved", f"{people.HL7}condition-clinical")
HELD = (
    observation(301, 1, "k", valueQuantity=quantity("5.40"), effectiveDateTime="2024-05-04", method={"text": "By Hand", **coded("m1")}),
    observation(302, 1, "k", valueQuantity=quantity("2", comparator="<"), effectiveDateTime="2024-05-05", issued="2024-05-06T10:00:00Z"),
    observation(303, 1, "bp", component=PRESSURE, effectiveDateTime="2024-05-06"),
    observation(304, 1, "w", valueString="Ångström’s sign, a|b", effectiveDateTime="2024-05-07", hasMember=[to("Observation", 301)]),
    observation(305, 1, "w", valueCodeableConcept={"text": "Very high", **coded("hi")},
                performer=[to("Practitioner", 117)]),
    resource("Condition", uid(311), code=coded("c311"), subject=P, severity=coded("severe"), onsetAge=quantity("41", "a"), encounter=to("Encounter", 321)),
    resource("Condition", uid(312), code=coded("c312"), subject=P, clinicalStatus=RESOLVED, abatementDateTime="2022", onsetDateTime="2020", recordedDate="2020-02",
             asserter={"identifier": {"system": "urn:x", "value": "a1"}, "display": "A"}),
    encounter(321, 1, length=quantity("90", "min"), priority=coded("EM"), partOf=to("Encounter", 322), reasonCode=[coded("r321")]),
    encounter(322, 1, type=[coded("t322")], serviceProvider=to("Organization", 116)),
    resource("DocumentReference", uid(331), status="current", subject=P, masterIdentifier={"system": "urn:m", "value": "m1"},
             content=[{"attachment": {"url": "urn:letter:1", "contentType": "application/pdf"}}], relatesTo=[{"code": "replaces",
             "target": to("DocumentReference", 332)}]),
    resource("AllergyIntolerance", uid(341), patient=P, clinicalStatus=ACTIVE, code=coded("a"), reaction=[{"substance": coded("latex"), "severity": "severe",
             "manifestation": [coded("hives")]}], lastOccurrence="2024-02", criticality="high"),
)  # fmt: skip


@pytest.fixture(scope="module")
def rich(tmp_path_factory, data_dir) -> Api:
    """Ann with resources whose elements no index holds. Tests only read it."""
    folder = data_dir(tmp_path_factory.mktemp("rich") / "data")
    store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=Clock()).store
    people.fill(store)
    directory = (EVERYTHING[type_] for type_ in ("Organization", "Practitioner", "PractitionerRole"))
    deliver(store, [row("rich", *HELD), row("directory", *directory)], SETS)
    api = Api(store, folder)
    yield api
    api.close()
    store.close()


CASES = [
    # quantities and their implied precision, comparators and units
    ("Observation", {"value-quantity": "5.4"}, [301]),
    ("Observation", {"value-quantity": "5.40"}, [301]),
    ("Observation", {"value-quantity": "5"}, [3, 301]),
    ("Observation", {"value-quantity": "5.44"}, []),
    ("Observation", {"value-quantity": "gt5.40"}, []),
    ("Observation", {"value-quantity": "ge5.4"}, [301]),
    ("Observation", {"value-quantity": "lt2"}, [302]),
    ("Observation", {"value-quantity": "eb2"}, [302]),
    ("Observation", {"value-quantity": "2"}, []),
    ("Observation", {"value-quantity": "ap5.6"}, [3, 301]),
    ("Observation", {"value-quantity": "ne5.4"}, [3, 302]),
    ("Observation", {"value-quantity": "5.4|http://unitsofmeasure.org|mmol/L"}, [301]),
    ("Observation", {"value-quantity": "5.4||mmol/L"}, [301]),
    ("Observation", {"value-quantity": "5.4||mg"}, []),
    ("Observation", {"combo-value-quantity": "gt100"}, [303]),
    ("Condition", {"onset-age": "41||a"}, [311]),
    ("Encounter", {"length": "gt60"}, [321]),
    # composites: two parts of one element
    ("Observation", {"component-code-value-quantity": f"{LOINC}|8480-6$gt140"}, [303]),
    ("Observation", {"component-code-value-quantity": f"{LOINC}|8462-4$gt140"}, []),
    ("Observation", {"code-value-quantity": "k$lt5"}, [302]),
    ("Observation", {"combo-code-value-quantity": "8462-4$85,k$5.4"}, [301, 303]),
    ("DocumentReference", {"relationship": f"DocumentReference/{uid(332)}$replaces"}, [331]),
    # strings
    ("Observation", {"value-string": "angstrom"}, [304]),
    ("Observation", {"value-string": "sign"}, []),
    ("Observation", {"value-string:contains": "SIGN"}, [304]),
    ("Observation", {"value-string:exact": r"Ångström’s sign\, a\|b"}, [304]),
    ("Observation", {"value-string:exact": "angstroms sign"}, []),
    # tokens
    ("Observation", {"code:not": "k,bp,x"}, [304, 305]),
    ("Observation", {"method": "m1"}, [301]),
    ("Observation", {"method:text": "hand"}, [301]),
    ("Observation", {"value-concept:text": "very"}, [305]),
    ("Observation", {"method:missing": "false"}, [301]),
    ("Observation", {"value-concept:missing": "true", "code": "w"}, [304]),
    ("Observation", {"code": "urn:nowhere|"}, []),
    ("Condition", {"severity": "urn:test:codes|"}, [311]),
    ("AllergyIntolerance", {"code": "latex"}, [341]),
    ("AllergyIntolerance", {"criticality": "http://hl7.org/fhir/allergy-intolerance-criticality|high"}, [341]),
    ("AllergyIntolerance", {"criticality": "urn:other|high"}, []),
    ("DocumentReference", {"identifier": "m1"}, [331]),
    ("DocumentReference", {"contenttype": "application/pdf"}, [331]),
    # dates, URIs, references
    ("Condition", {"abatement-date": "2022"}, [312]),
    ("Condition", {"abatement-date": "gt2022"}, []),
    ("Condition", {"onset-date:missing": "true"}, [311]),
    ("AllergyIntolerance", {"last-date": "ge2024"}, [341]),
    ("Observation", {"date:missing": "true"}, [305]),
    ("DocumentReference", {"location": "urn:letter:1"}, [331]),
    ("Condition", {"asserter:identifier": "urn:x|a1"}, [312]),
    ("Condition", {"asserter:identifier": "urn:x|a2"}, []),
    ("Observation", {"performer": uid(117)}, [305]),
    ("Observation", {"performer:Practitioner": uid(117)}, [305]),
    ("Observation", {"performer:Organization": uid(117)}, []),
    ("Encounter", {"part-of": f"Encounter/{uid(322)}"}, [321]),
    # what every resource has
    ("Condition", {"_profile": "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Condition"}, [311, 312]),
    ("Condition", {"_source": "urn:toy:A99001"}, [311, 312]),
    ("Condition", {"_tag": "x"}, []),
    ("Condition", {"_security": "R"}, []),
    ("Condition", {"_security:missing": "true"}, [311, 312]),
    ("Condition", {"_lastUpdated:missing": "true"}, []),
    ("Condition", {"_lastUpdated:missing": "false", "_lastUpdated": "gt2020"}, [311, 312]),
    ("Encounter", {"_has:Condition:encounter:_lastUpdated:missing": "false"}, [321]),
    ("Encounter", {"_has:Condition:encounter:_lastUpdated:missing": "true"}, []),
    ("Condition", {"encounter._lastUpdated:missing": "false"}, [311]),
    # hops
    ("Condition", {"encounter.length": "gt60"}, [311]),
    ("Condition", {"encounter:Encounter.part-of.type": "t322"}, [311]),
    ("Condition", {"encounter.part-of.service-provider.name": "wellshire"}, [311]),
    ("Condition", {"encounter.reason-code": "other"}, []),
    ("Observation", {"performer.family": "quill"}, [305]),
    ("Observation", {"patient.gender": "male"}, []),
    ("Observation", {"patient.gender": "female", "method": "m1"}, [301]),
    ("Encounter", {"_has:Condition:encounter:code": "c311"}, [321]),
    ("Encounter", {"_has:Condition:encounter:code": "c312"}, []),
    ("Encounter", {"_has:Encounter:part-of:_has:Condition:encounter:severity": "severe"}, [322]),
    ("Observation", {"_has:Observation:has-member:code": "w"}, [301]),
]  # fmt: skip


@pytest.mark.parametrize("type_, asked, numbers", CASES)
def test_a_filter_finds_what_matches_and_nothing_else(rich, type_, asked, numbers):
    found = rich.found(f"/fhir/{type_}", **ANN_IS_ASKED, **asked)
    assert sorted(found) == [f"{type_}/{uid(number)}" for number in numbers]
    total = rich.get(f"/fhir/{type_}", **ANN_IS_ASKED, **asked, _summary="count").json()["total"]
    assert total == len(numbers)


NAMED = [{"_id": uid(1)}, {"identifier": f"{people.NHS_NUMBER}|{ANN}"}, {"family": "ames", "given": "ann"}]


@pytest.mark.parametrize("asked", NAMED)
def test_a_patient_who_is_named_may_be_asked_anything(rich, asked):
    for more, is_there in (({"_has:Observation:patient:code": "k"}, True), ({"_has:Observation:subject:code": "zz"}, False),
                           ({"gender:not": "male"}, True), ({"deceased": "false"}, True), ({"deceased": "true"}, False),
                           ({"name:contains": "mes"}, True), ({"family:exact": "Ames"}, True), ({"family:exact": "ames"}, False)):  # fmt: skip
        assert (f"Patient/{uid(1)}" in rich.found("/fhir/Patient", **asked, **more)) is is_there, more


def test_a_directory_is_filtered_too(rich):
    assert rich.found("/fhir/Practitioner", **{"_has:PractitionerRole:practitioner:organization": uid(116)})
    assert rich.found("/fhir/PractitionerRole", **{"practitioner.family": "quill"}) == [f"PractitionerRole/{uid(118)}"]
    assert rich.found("/fhir/PractitionerRole", **{"practitioner.family": "nobody"}) == []


SORTS = [
    ("code,-date", [303, 302, 301, 304, 305]),
    ("-code,date", [304, 305, 301, 302, 303]),
    ("value-quantity", [302, 301, 303, 304, 305]),
    ("-value-quantity", [301, 302, 303, 304, 305]),
    ("value-string,-_lastUpdated", [304, 305]),
    ("-_id", [305, 304, 303, 302, 301]),
]


@pytest.mark.parametrize("sort, numbers", SORTS)
@pytest.mark.parametrize("count", [1, 2, 50])
def test_matches_come_in_the_order_that_was_asked_for_on_every_page(rich, sort, numbers, count):
    answer = rich.get("/fhir/Observation", **ANN_IS_ASKED, **{"code:not": "x"}, _sort=sort, _count=str(count)).json()
    seen = [entry["resource"]["id"] for entry in answer["entry"]]
    while link := {each["relation"]: each["url"] for each in answer["link"]}.get("next"):
        answer = rich.get(link.partition(":8000")[2]).json()
        seen += [entry["resource"]["id"] for entry in answer["entry"]]
    told = [uid(number) for number in numbers]
    assert len(seen) == len(set(seen)) == 5
    if "value" not in sort:
        assert seen == told
    else:  # what has no value comes last, in whatever order
        valued = [301, 302] if "quantity" in sort else [304]
        assert [id_ for id_ in seen if id_ in map(uid, valued)] == seen[: len(valued)] == told[: len(valued)]


def modes(answer) -> tuple[list[str], list[str]]:
    entries = [(entry["search"]["mode"], entry["resource"]) for entry in answer.json().get("entry", ())]
    names = [(mode, f"{held['resourceType']}/{held.get('id')}") for mode, held in entries]
    return [name for mode, name in names if mode == "match"], sorted(name for mode, name in names if mode == "include")


def test_what_refers_to_a_match_comes_with_it_and_an_include_goes_on(rich):
    asked = {**ANN_IS_ASKED, "_id": uid(322)}
    _, included = modes(rich.get("/fhir/Encounter", **asked, _revinclude="Encounter:part-of"))
    assert included == [f"Encounter/{uid(321)}"]
    on = {"_revinclude": "Encounter:part-of", "_revinclude:iterate": "Condition:encounter"}
    _, included = modes(rich.get("/fhir/Encounter", **asked, **on))
    assert included == [f"Condition/{uid(311)}", f"Encounter/{uid(321)}"]
    on = {"_include": "Condition:encounter", "_include:iterate": ["Encounter:part-of", "Encounter:service-provider"]}
    _, included = modes(rich.get("/fhir/Condition", **ANN_IS_ASKED, _id=uid(311), **on))
    assert included == [f"Encounter/{uid(321)}", f"Encounter/{uid(322)}", f"Organization/{uid(116)}"]


def test_a_search_of_a_compartment_is_about_its_patient(rich):
    path = f"/fhir/Patient/{uid(1)}/Observation"
    assert rich.found(path, code="k") == rich.found("/fhir/Observation", **ANN_IS_ASKED, code="k") != []
    sent = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "content": "code=k&_total=accurate"}
    by_post = rich.ask("POST", f"{path}/_search", **sent).json()
    assert [entry["resource"]["id"] for entry in by_post["entry"]] == [uid(302), uid(301)] and by_post["total"] == 2
    assert rich.ask("POST", f"/fhir/Encounter/{uid(322)}/Observation/_search", **sent).status_code == 404
    for wrong, status in ((f"/fhir/Encounter/{uid(322)}/Observation", 404), (f"/fhir/Patient/{uid(1)}/Organization", 404),
                          (f"/fhir/Patient/{uid(1)}/$nothing", 404), (f"{path}?patient={uid(11)}", 400), (f"/fhir/Patient/{uid(1)},{uid(11)}/Observation", 400)):  # fmt: skip
        assert rich.get(wrong).status_code == status, wrong


@pytest.mark.parametrize(
    "prefer", ["handling=lenient", "return=minimal; handling=lenient", "respond-async, handling=lenient"]
)
def test_a_lenient_search_says_what_it_left_out(rich, prefer):
    asked = {**ANN_IS_ASKED, "code": "k", "nonsense": "Zebrafish"}
    answer = rich.get("/fhir/Observation", headers={"Prefer": prefer}, **asked)
    assert len(modes(answer)[0]) == 2 and "parameter nonsense" in answer.text and "Zebrafish" not in answer.text
    for strict in ("handling=strict", ""):
        assert rich.get("/fhir/Observation", headers={"Prefer": strict}, **asked).status_code == 400


MANY = ",".join([*(f"{number}||mg" for number in range(49)), "gt0"])


def test_what_a_search_compares_is_bounded_and_refused_by_name(rich, monkeypatch):
    asked = {**ANN_IS_ASKED, "code:not": "zz", "combo-value-quantity": [MANY] * 20}
    assert rich.get("/fhir/Observation", **asked).status_code == 200
    monkeypatch.setattr(hopping, "MOST_COMPARED", 1500)
    refused = rich.get("/fhir/Observation", **asked, _total="accurate")
    assert refused.status_code == 413 and "parameter combo-value-quantity" in refused.text
    assert rich.get("/fhir/Observation", **ANN_IS_ASKED, **{"code:not": "zz", "combo-value-quantity": "5.4"}).status_code == 200  # fmt: skip
    monkeypatch.setattr(hopping, "MOST_COMPARED", 200)
    through = {**ANN_IS_ASKED, "_has:Observation:has-member:combo-value-quantity": MANY}
    assert "parameter combo-value-quantity" in rich.get("/fhir/Observation", **through).text


def test_a_total_a_second_page_and_a_label_read_no_resource_twice(rich, monkeypatch):
    stamped, calls = hopping.stamped, []
    monkeypatch.setattr(hopping, "stamped", lambda *seen: calls.append(seen) or stamped(*seen))
    monkeypatch.setattr(hopping, "MOST_READ", 6)
    asked = {**ANN_IS_ASKED, "_tag:missing": "true", "_source:missing": "false", "_security:missing": "true"}
    for order in ({}, {"_sort": "code,-date"}):
        calls.clear()
        answer = rich.get("/fhir/Observation", **asked, **order, _total="accurate", _count="4")
        assert answer.status_code == 200 and answer.json()["total"] == 6 == len(calls), order
        (link,) = (link["url"] for link in answer.json()["link"] if link["relation"] == "next")
        calls.clear()
        answer = rich.get(link.partition(":8000")[2]).json()
        assert answer["total"] == 6 == len(calls) and len(answer["entry"]) == 2, order


# What is hidden is told by nothing

HIDDEN = {
    "one": {"reason": "hiv", "when": "2021-01-01", "visits": (70, 74), "linked": (75, 76), "more": 2, "known_as": (51, 52)},
    "other": {"reason": "flu", "when": "2024-06-06", "visits": (74, 74), "linked": (76, 76), "more": 0, "known_as": (53, 54)},
}  # fmt: skip
"""Two stores that differ in what is withheld from the trust alone: in the problem, in what is confidential, in which
hidden visit a medicine or a measurement is of, and in the ids under which the practice knows one who objects."""
ON_THE_WARD = row("measured", observation(55, 32, "w", effectiveDateTime="2024-05-01"), publisher="T")
"""What the trust holds of Abe, who objects: a search on a Patient of his elsewhere must not lead to it."""


def withheld(
    reason: str, when: str, visits: tuple[int, int], linked: tuple[int, int], more: int, known_as: tuple[int, int]
) -> list:
    secret = {"security": ["R"]}
    hidden = [
        encounter(visit, 1, type=[coded(f"{reason}{visit}")], period={"start": when, "end": when}, **secret)
        for visit in (70, 74)
    ]
    hidden += [encounter(visit, 1, reasonReference=[to("Condition", 71)]) for visit in (75, 76)]
    problem = resource(
        "Condition", uid(71), code=coded(reason), subject=P, recordedDate=when, severity=coded(reason), **secret
    )
    medicines = [
        resource(
            "MedicationRequest",
            uid(number),
            status="active",
            intent="order",
            medicationCodeableConcept=coded("dox"),
            subject=P,
            authoredOn="2024-05-01",
            reasonCode=[coded(reason)],
            reasonReference=[to("Condition", 71)],
            encounter=to("Encounter", visit),
        )
        for number, visit in zip((72, 79), visits)
    ]
    weights = [
        observation(number, 1, "w", encounter=to("Encounter", visit), effectiveDateTime="2024-05-01")
        for number, visit in zip((77, 78), linked)
    ]
    about = observation(73, 1, "f", focus=[to("Condition", 71)])
    extra = [
        observation(80 + n, 1, "k", effectiveDateTime=when, focus=[to("Observation", 77)], **secret)
        for n in range(more)
    ]
    elsewhere, its_own = known_as
    objecting = [people.patient(elsewhere, people.ABE, "Ames", "Abe"), observation(its_own, elsewhere, "w")]
    return [row("held", *hidden, problem, *medicines, *weights, about, *extra), row("known", *objecting)]


ASKED = [
    f"{type_}?patient={uid(1)}&{query}"
    for type_, queries in {
        "MedicationRequest": (
            "encounter={70}", "encounter:missing=true", "encounter:missing=false", "encounter.type=hiv", "encounter.type:not=hiv", "encounter.date=gt2023",
            "_sort=encounter", "_sort=-encounter,status", "_include=*", "_include=MedicationRequest:encounter", "_include:iterate=Encounter:subject",
            "code:not=zz&_total=accurate", "encounter={70},{71}&_summary=count", "_has:Provenance:target:agent=x", "_security=R", "_security:missing=true",
            "_include=MedicationRequest:subject&_revinclude=Provenance:target", "_source:missing=false",
        ),
        "Observation": (
            "encounter={70}&_total=accurate", "encounter={75}&_summary=count", "encounter={75}", "focus:Condition.code=hiv", "focus:Condition.severity=flu",
            "focus:Condition.code:missing=false", "_include=Observation:focus", "_sort=encounter&_count=1", "focus.code=hiv", "_has:Observation:focus:code=k",
            "_include=Observation:focus&_include:iterate=Condition:subject", "encounter:missing=true&_count=1", "encounter.type=hiv", "encounter.type=flu", "encounter._id={70}",
            "_has:Observation:focus:code=k", "_has:Observation:focus:code:missing=false", "code:not=zz&_sort=date,code&_count=1",
            "_revinclude=Observation:focus", "_include=Observation:encounter", "_summary=count&code:missing=false", "code=k", "_sort=-code,-date",
            "_has:Observation:focus:date=gt2023",
        ),
        "Condition": ("severity=hiv", "severity:not=x&_total=accurate", "_sort=recorded-date,severity", "recorded-date=gt2022", "_has:MedicationRequest:intended-performer:code=x"),
        "Encounter": ("type=hiv", "type:missing=false", "date=gt2023", "_has:Observation:encounter:code=w", "_has:Condition:encounter:code:missing=true", "_sort=type,date",
                      "_revinclude=Observation:encounter", "_revinclude:iterate=MedicationRequest:encounter"),
    }.items()
    for query in queries
] + [
    f"Patient?_id={uid(1)}&{query}"
    for query in (
        "_has:Condition:patient:code=hiv", "_has:Condition:patient:code=flu", "_has:Observation:patient:code=k", "_has:Observation:patient:date=gt2024-06",
        "_has:MedicationRequest:patient:encounter.type=hiv", "_revinclude=Observation:patient&_revinclude=Condition:patient", "_has:Encounter:patient:type=flu",
        "_has:MedicationRequest:patient:encounter={70}", "_has:MedicationRequest:patient:encounter:missing=true",
        "_revinclude=MedicationRequest:subject&_revinclude:iterate=Observation:focus",
    )
] + [
    f"{path}{more}"
    for path in ("Observation?patient={51}", "Patient/{51}/Observation?", "Observation?subject=Patient/{53}", "Encounter?patient={51}", "Patient?_id={51}")
    for more in ("", "&_total=accurate", "&status:not=x")
] + [f"Patient/{uid(1)}/Condition?severity=hiv", f"Patient/{uid(1)}/Encounter?_sort=-type"]  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory, data_dir):
    opened = []
    for name, difference in HIDDEN.items():
        folder = data_dir(tmp_path_factory.mktemp(name) / "data")
        store = create_gateway(config.Settings(data_dir=folder), "sandbox", clock=lambda: Clock().now).store
        people.fill(store)
        deliver(store, withheld(**difference), SETS)
        deliver(store, [ON_THE_WARD], SETS, name="trust", kind="hospital")
        opened.append(Api(store, folder))
        assert opened[-1].permit(ANN, "dr-ward").status_code == 201
    yield opened
    for api in opened:
        api.close()
        api.store.close()


def answered(api: Api, path: str, user: str) -> tuple[int, str]:
    answer = api.get(f"/fhir/{path}", user)
    return answer.status_code, re.sub(r"_cursor=[^\"&]+", "_cursor=", answer.text)


@pytest.mark.hazard("HZ-ACCESS-33")
def test_two_stores_that_differ_in_what_is_withheld_answer_alike(stores):
    """And differently to whom it is not withheld from: else there would be no difference."""
    one, other = stores
    differing = 0
    for asked in ASKED:
        path = re.sub(r"\{(\d+)\}", lambda number: uid(int(number[1])), asked)
        status, text = answered(one, path, "dr-ward")
        assert (status, text) == answered(other, path, "dr-ward"), path
        secrets = [
            word
            for word in (*(uid(number) for number in (51, 52, 53, 54, 70, 74, 75, 76)), "hiv", "flu")
            if word not in path
        ]
        assert status < 500 and not any(word in text for word in secrets), path
        differing += answered(one, path, "dr-green") != answered(other, path, "dr-green")
    assert differing > len(ASKED) // 3

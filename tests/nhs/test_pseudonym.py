"""What leaves, and that nothing else does: every element of every type with a word of its own, dates, references,
keys, counts."""

import base64
import hashlib
import hmac
from collections import Counter

import msgspec
import pytest

from gateway.errors import Refused
from gateway.fhir import model
from gateway.fhir.codes import UCUM
from gateway.fhir.r4 import table
from gateway.nhs.pseudonym import PERSON_SYSTEM, Pseudonymiser, base32, people, policy, project_key, stages
from gateway.nhs.pseudonym.deaths import died_on

KEY = bytes(range(32))
PROFILES = ("sde-research", "planning", "linkage", "minimal")
SNOMED = "http://snomed.info/sct"
ETHNIC = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory"
PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-02-03"}


def body(resource: dict) -> bytes:
    return msgspec.json.encode(resource)


def leaving(
    *resources: dict, setting: str = "in-sde", profile: str = "sde-research"
) -> tuple[list[dict], dict[str, int]]:
    """Return what leaves of one person's resources, checked as R4, and the counts of what does not."""
    worker = Pseudonymiser(profile, setting, KEY)
    given = [(each["resourceType"], each["id"], body(each)) for each in resources]
    lines = [line for _, line in worker.person("person-1", given)]
    for line in lines:
        assert not model.check(line), model.check(line)
    return [msgspec.json.decode(line) for line in lines], worker.dropped


def alone(worker: Pseudonymiser, name: str, given: bytes, is_member: bool) -> bytes:
    """What leaves of one resource whose references all lead into the release, or all out of it."""
    return worker._cut_down(worker.types[name], worker.subject("x", [], lambda target: is_member), given)


def observation(**elements) -> dict:
    return {
        "resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": SNOMED, "code": "271649006"}]}, **elements,
    }  # fmt: skip


def of_observation(**elements) -> tuple[dict, dict[str, int]]:
    """The same for one Observation of a person born in 1950."""
    (_, made), dropped = leaving(PATIENT, observation(**elements))
    return made, dropped


# --- the canary: every element that R4 has, with a word that must not be found ---


def values(kind: str, depth: int, targets: frozenset[str] = frozenset()) -> object:
    """A value of a type with every element of it filled, down to a depth."""
    if kind == "boolean":
        return True
    if kind in table.INTEGERS:
        return 9990000018 if kind == "integer" else 3
    if kind == "decimal":
        return msgspec.Raw(b"1.50")
    if kind in ("date", "dateTime", "instant"):
        return "1987-06-05" if kind == "date" else "1987-06-05T04:03:02+01:00"
    if kind == "time":
        return "04:03:02"
    if kind == "base64Binary":
        return base64.b64encode(b"canary").decode()
    if kind in table.PRIMITIVES:
        return "canary"
    if kind == "Reference":
        return {
            "reference": f"{min(targets, default='Patient')}/canary",
            "display": "canary",
            "identifier": {"value": "canary"},
        }
    if kind == "Extension":
        return {"url": "urn:canary", "valueString": "canary"}
    if kind == "Resource":
        return {"resourceType": "Patient", "id": "canary", "name": [{"family": "canary"}]}
    return filled(kind, depth - 1) if depth else {}


def filled(kind: str, depth: int = 4, choice: int = 0) -> dict:
    made = {}
    for element in table.types()[kind].elements:
        name, below = list(element.names.items())[choice % len(element.names)]
        if name in ("modifierExtension", "implicitRules"):
            continue
        value = sorted(element.codes)[0] if element.codes else values(below, depth, element.targets)
        if value == {}:
            continue
        made[name] = [value] if element.is_many else value
        if below in table.PRIMITIVES and not element.is_many:
            made[f"_{name}"] = {"extension": [{"url": "urn:canary", "valueString": "canary"}]}
    return made


def shape_faults(line: bytes) -> list:
    """What is wrong with the shape of a resource; what we fill in here need not make sense together."""
    return [issue for issue in model.check(line) if issue.code != "invariant"]


CASES = [
    (profile, name, choice)
    for profile in PROFILES
    for name in policy.compiled(profile)
    for choice in range(max(len(element.names) for element in table.types()[name].elements))
]


@pytest.mark.parametrize("setting", policy.SETTINGS)
@pytest.mark.parametrize("profile, name, choice", CASES)
def test_no_word_of_any_element_leaves_and_each_is_counted(profile, name, choice, setting):
    given = {"resourceType": name, **filled(name, choice=choice), "id": "canary-1"}
    worker = Pseudonymiser(profile, setting, KEY)
    line = alone(worker, name, body(given), is_member=True)
    assert b"canary" not in line.lower() and b"9990000018" not in line
    assert (b"1987-06-05" not in line) and b"04:03" not in line  # no birth date known: months
    made, dropped = msgspec.json.decode(line), worker.dropped
    assert not shape_faults(line)
    for element in given.keys() - {"resourceType", "meta", "id"}:
        assert element in made or any(path.split(":")[0].split(".")[1] == element for path in dropped), element


@pytest.mark.parametrize("profile", PROFILES)
def test_what_r4_requires_is_there_or_says_that_it_is_masked(profile):
    for name in policy.compiled(profile):
        worker = Pseudonymiser(profile, "export", KEY)
        assert not shape_faults(alone(worker, name, body({"resourceType": name, "id": "a"}), is_member=False))


# --- the policy judged ---


@pytest.mark.parametrize(
    "path, action, told",
    [
        ("name", "keep", "never leaves"),
        ("name.family", "keep", "never leaves"),
        ("text", "keep", "never leaves"),
        ("contact.gender", "keep", "never leaves"),
        ("generalPractitioner", "reference", "never leaves"),
        ("address.text", "outward-postcode", "never leaves"),
        ("address.country", "outward-postcode", "not by this action"),
        ("address.postalCode", "keep", "keep is not for string"),
        ("birthDate", "by-setting", "not by this action"),
        ("deceasedDateTime", "birth-year", "birth-year is not for dateTime"),
        ("identifier", "keep", "keep is not for Identifier"),
        ("identifier.value", "keep", "keep is not for string"),
        ("id", "keep", "keep is not for id"),
        ("address.id", "pseudonym", "pseudonym is not for string"),
        ("meta.lastUpdated", "by-setting", "never leaves"),
        ("gender", "shout", "no such action"),
        ("sex", "keep", "no such element"),
        ("extension:urn:x", "reference", "concept, a boolean or a date only"),
    ],
)
def test_a_line_that_may_not_be_stops_the_profile(path, action, told):
    with pytest.raises(Refused, match=told) as refused:
        policy.compile_tables({"Patient": {path: action}})
    assert str(refused.value).startswith(f"Patient.{path}:")


@pytest.mark.parametrize(
    "kind, path, action",
    [
        ("Observation", "issued", "by-setting"),
        ("Observation", "note", "keep"),
        ("Observation", "valueString", "keep"),
        ("Observation", "device", "keep"),
        ("DiagnosticReport", "presentedForm", "keep"),
        ("MedicationRequest", "dosageInstruction.text", "keep"),
        ("MedicationRequest", "instantiatesUri", "keep"),
        ("Encounter", "language", "keep"),
        ("Endpoint", "payloadMimeType", "keep"),
        ("Composition", "confidentiality", "keep"),
        ("Nonsense", "id", "pseudonym"),
    ],
)
def test_words_instants_and_what_is_not_r4_have_no_line(kind, path, action):
    with pytest.raises(Refused):
        policy.compile_tables({kind: {path: action}})


def test_the_second_list_holds_whatever_the_first_allows(monkeypatch):
    anything = {action: frozenset({*table.PRIMITIVES, *table.types()}) for action in policy.ACTIONS}
    monkeypatch.setattr(policy, "ACTIONS", anything)
    for path in (
        "name",
        "telecom",
        "text",
        "photo",
        "contact.name",
        "communication.language",
        "link.other",
        "contained",
        "modifierExtension",
    ):
        with pytest.raises(Refused, match="never leaves"):
            policy.compile_tables({"Patient": {path: "keep"}})


def test_one_sex_field_leaves_not_two():
    lines = {
        "gender": "keep",
        "extension:https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex": "code-only",
    }
    for line in lines:
        policy.compile_tables({"Patient": {line: lines[line]}})
    with pytest.raises(Refused, match="one sex field"):
        policy.compile_tables({"Patient": lines})


def test_days_whatever_the_setting_are_refused_for_an_export(monkeypatch):
    types = policy.compile_tables({"Encounter": {"period": "day"}})
    monkeypatch.setattr(people, "compiled", lambda profile: types)
    Pseudonymiser("x", "in-sde", KEY)
    with pytest.raises(Refused, match="days never leave"):
        Pseudonymiser("x", "export", KEY)


def test_an_unknown_profile_or_setting_is_refused():
    with pytest.raises(Refused, match="no such profile"):
        policy.compiled("everything")
    with pytest.raises(Refused, match="setting"):
        Pseudonymiser("minimal", "anywhere", KEY)


# --- actions ---


@pytest.mark.parametrize("digits", ["1.00", "0.10", "120", "-0.5", "1E3", "1.5e-7", "0"])
def test_a_decimal_keeps_its_digits(digits):
    unit = {"value": msgspec.Raw(digits.encode()), "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
    worker = Pseudonymiser("sde-research", "export", KEY)
    line = alone(worker, "Observation", body(observation(valueQuantity=unit)), is_member=True)
    assert f'"value":{digits},"system"'.encode() in line and worker.dropped["Observation.valueQuantity.unit"] == 1


@pytest.mark.parametrize("written", ['"1.00"', '"Marsh"', "true", "[1]", "9990000018", "9990000018.0"])
def test_what_is_no_number_or_could_be_an_nhs_number_is_none(written):
    worker = Pseudonymiser("sde-research", "export", KEY)
    given = body(observation(valueQuantity={"value": msgspec.Raw(written.encode())}))
    line = alone(worker, "Observation", given, is_member=True)
    assert b"valueQuantity" not in line and any(
        path.startswith("Observation.valueQuantity.value:") for path in worker.dropped
    )


def test_of_a_code_system_and_code_leave_and_words_are_counted():
    concept = {
        "text": "high",
        "coding": [{"system": SNOMED, "code": "75540009", "display": "High", "version": "1", "userSelected": True}],
    }
    made, dropped = of_observation(valueCodeableConcept=concept)
    assert made["valueCodeableConcept"] == {"coding": [{"system": SNOMED, "code": "75540009"}]}
    for left in ("text", "coding.display", "coding.version", "coding.userSelected"):
        assert dropped[f"Observation.valueCodeableConcept.{left}"] == 1


@pytest.mark.parametrize(
    "system, code, leaves",
    [
        (SNOMED, "75540009", True),
        (SNOMED, "Ann Marsh", False),
        ("https://dmd.nhs.uk", "322236009", True),
        ("http://loinc.org", "8480-6", True),
        ("http://loinc.org.example", "8480-6", False),
        ("http://hl7.org/fhir/sid/icd-10", "I10X", True),
        ("http://read.info/readv2", "246..", True),
        ("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "H22.1", True),
        ("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "Marsh", False),
        (SNOMED, "75540008", False),
        (SNOMED, "7700900123", False),
        (SNOMED, "9990000077", False),
        (SNOMED, "900000000000003001", True),
        (SNOMED, "999000011000001104", True),
        ("http://loinc.org", "123456-8", False),
        ("http://hl7.org/fhir/sid/icd-10", "H0000903", False),
        ("http://hl7.org/fhir/sid/icd-10", "M139PL", False),
        ("http://hl7.org/fhir/sid/icd-10", "A12345", False),
        ("http://hl7.org/fhir/sid/icd-10", "S72.00", True),
        ("http://hl7.org/fhir/sid/icd-10", "G01XA", True),
        ("http://read.info/readv2", "Marsh", False),
        ("http://read.info/readv2", "Lee..", False),
        ("http://read.info/readv2", "M11AA", False),
        ("http://read.info/readv2", "C10E.11", True),
        ("http://read.info/ctv3", "XaBVJ", True),
        ("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "H00009", False),
        ("http://terminology.hl7.org/CodeSystem/v2-0074", "Marsh", False),
        ("http://terminology.hl7.org/CodeSystem/v2-0074", "H0000903", False),
        ("https://fhir.nhs.uk/CodeSystem/x", "LS1 1AA", False),
        ("http://terminology.hl7.org/CodeSystem/v2-0074", "HM", True),
        ("http://terminology.hl7.org/CodeSystem/v2-0074/Ann Marsh", "HM", False),
        ("http://terminology.hl7.org/", "HM", False),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "HH", True),
        ("http://terminology.hl7.org/CodeSystem/x", "Ann Marsh", False),
        ("urn:nhs-record-gateway:cld:service-component", "Home support or domiciliary care", True),
        ("https://fhir.nhs.uk/RXX/CodeSystem/LIMS", "FBC", False),
        ("urn:oid:1.2.3", "1", False),
        ("", "1", False),
    ],
)
def test_codes_of_national_systems_leave_if_they_look_like_codes(system, code, leaves):
    made, dropped = of_observation(
        valueCodeableConcept={"coding": [{"system": system, "code": code} if system else {"code": code}]}
    )
    assert ("valueCodeableConcept" in made) is leaves
    reasons = {path.partition(": ")[2] for path in dropped}
    assert bool(reasons & {"not a code of a national system", "not what a code of its system looks like"}) is not leaves


@pytest.mark.parametrize(
    "system, code, leaves",
    [
        (SNOMED, "9990000018", False),
        ("https://dmd.nhs.uk", "9990000018", False),
        ("https://fhir.nhs.uk/CodeSystem/x", "9990000018", False),
        ("https://fhir.nhs.uk/CodeSystem/x", "999-000-0018", False),
        ("urn:nhs-record-gateway:cld:x", "999 000 0018", False),
        ("urn:nhs-record-gateway:cld:x", "9990000077", False),
    ],
)
def test_a_code_that_could_be_an_nhs_number_leaves_only_if_its_own_check_holds(system, code, leaves):
    made, dropped = of_observation(valueCodeableConcept={"coding": [{"system": system, "code": code}]})
    assert ("valueCodeableConcept" in made) is leaves
    assert any(path.startswith("Observation.valueCodeableConcept.coding: ") for path in dropped) is not leaves


@pytest.mark.parametrize(
    "sent, outward",
    [
        ("SW1A 1AA", "SW1A"),
        ("ls11aa", "LS1"),
        ("M1 1AE", "M1"),
        ("CB22 3AD", "CB22"),
        ("SW1A", None),
        ("1 High St", None),
        ("ZZ99 3VZ", None),
        ("zz993cz", None),
        ("SA99 1BN", None),
        ("BX1 1LT", None),
        ("BT92 1AA", "BT92"),
    ],
)
def test_the_outward_half_of_a_whole_postcode(sent, outward):
    (made,), _ = leaving({**PATIENT, "address": [{"postalCode": sent, "line": ["1 High St"]}]})
    assert made.get("address") == ([{"postalCode": outward}] if outward else None)


def test_a_patient_leaves_as_year_sex_month_of_death_and_pseudonym():
    given = {
        **PATIENT, "gender": "female", "deceasedDateTime": "2024-05-06T10:00:00Z", "name": [{"family": "Marsh"}],
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
    }  # fmt: skip
    (made,), dropped = leaving(given)
    [identifier] = made.pop("identifier")
    assert identifier["system"] == PERSON_SYSTEM and len(identifier["value"]) == 26
    assert made.pop("meta") == {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}]
    }
    assert {key: made[key] for key in made.keys() - {"id", "resourceType"}} == {
        "gender": "female", "birthDate": "1950", "deceasedDateTime": "2024-05",
    }  # fmt: skip
    assert dropped == {"Patient.name": 1, "Patient.identifier": 1}


def test_every_patient_of_a_person_carries_the_pseudonym_of_the_person_and_an_id_of_its_own():
    (first, second), _ = leaving(PATIENT, {**PATIENT, "id": "p2"})
    assert first["identifier"] == second["identifier"] and first["id"] != second["id"]


@pytest.mark.parametrize("setting, plain", [("in-sde", "2024-05-06"), ("export", "2024-05")])
@pytest.mark.parametrize(
    "patient, date, tender",
    [
        ({"birthDate": "1950-02-03"}, "2024-05-06T10:00:00+01:00", False),
        ({"birthDate": "2023-01-01"}, "2024-12-31", True),
        ({"birthDate": "2022-12-31"}, "2024-01-01", False),
        ({"birthDate": "2023"}, "2024-05-06", True),
        ({"birthDate": "2022-04"}, "2024-05-06", False),
        ({"birthDate": "2025-01-01"}, "2024-05-06", True),
        ({}, "2024-05-06", True),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "2024-06-30"}, "2024-05-01", True),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "2024-07-01"}, "2024-05-31", False),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "2024-06"}, "2024-05-06", True),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "2025-01-01"}, "2024-12-01", True),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "2020-01-01"}, "2024-05-06", True),
        ({"birthDate": "1950-02-03", "deceasedBoolean": True}, "2024-05-06", True),
        ({"birthDate": "1950-02-03", "deceasedBoolean": False}, "2024-05-06", False),
        ({"birthDate": "9999-12-31"}, "2024-05-06", True),
        ({"birthDate": "1950-02-03", "deceasedDateTime": "0001-01-01"}, "2024-05-06", True),
    ],
)
def test_dates_by_setting_and_the_month_for_babies_and_the_dying(patient, date, tender, setting, plain):
    wanted = date[:7] if tender else date[: len(plain)]
    died = patient.get("deceasedDateTime", "0" if patient.get("deceasedBoolean") else "9")
    if setting == "export" and died[:4] <= "2024":
        wanted = "2024"
    given = (
        observation(effectiveDateTime=date),
        {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", "period": {"start": date, "end": date}},
    )
    (_, made, episode), _ = leaving({"resourceType": "Patient", "id": "p1", **patient}, *given, setting=setting)
    assert made["effectiveDateTime"] == wanted and episode.get("period", wanted) == {"start": wanted, "end": wanted}


DISPOSITION = "https://fhir.hl7.org.uk/CodeSystem/UKCore-DischargeDestinationEngland"


def stay(end: str, code: str = "79", **elements) -> dict:
    return {
        "resourceType": "Encounter", "id": "e", "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "period": {"start": "2024-05-01", "end": end},
        "hospitalization": {"dischargeDisposition": {"coding": [{"system": DISPOSITION, "code": code}]}}, **elements,
    }  # fmt: skip


DEATHS = """UKCore-DischargeDestination 79|UKCore-DischargeMethod 4|UKCore-DischargeMethod 5|discharge-disposition exp|
sct 419099009|sct 397709008|sct 371828006|sct 16983000|sct 63238001|sct 75004002|sct 399347008|readv2 22J..|
readv2 22J4.|readv2 949..|readv2 9491.|readv2 94B..|readv2 94E..|readv2 9495.|icd-10 R95|icd-10 R99X|icd-10 I461|
icd-10 I46.1|icd-10 P95X|icd-10 O95X|icd-10 O96.0|icd-10 O97|event-outcome NFA: Deceased|attendance-disposal 10|
PV1-36 4|PV1-36 5|PV1-36 10""".replace("\n", "").split("|")
SYSTEMS = {
    **dict.fromkeys(("UKCore-DischargeDestination", "UKCore-DischargeMethod"), "https://fhir.hl7.org.uk/CodeSystem/"),
    "discharge-disposition": "http://terminology.hl7.org/CodeSystem/", "sct": "http://snomed.info/",
    "readv2": "http://read.info/", "icd-10": "http://hl7.org/fhir/sid/", "event-outcome": "urn:nhs-record-gateway:cld:",
    **dict.fromkeys(("attendance-disposal", "PV1-36"), "https://fhir.nhs.uk/RXX/PAS/"),
}  # fmt: skip


@pytest.mark.parametrize("spaces", ["", " ", "\n  "])
@pytest.mark.parametrize("death", DEATHS)
def test_each_code_of_the_table_of_deaths_is_found_in_a_body(death, spaces):
    system, code = death.split(" ", 1)
    coding = f'{{"system":{spaces}"{SYSTEMS[system]}{system}","code"{spaces}:{spaces}"{code}"}}'
    body = f'{{"resourceType":"Encounter","hospitalization":{{"a":[{coding}]}},"period":{{"end":"2024-05-06"}}}}'
    assert died_on(body.encode()) == "2024-05-06"
    assert died_on(body.replace(f'"{code}"', f'"0{code}"').encode()) is None


@pytest.mark.hazard("HZ-EXPORT-12")
@pytest.mark.parametrize(
    "said, setting, ends",
    [
        (stay("2024-05-17"), "in-sde", "2024-05"),
        (stay("2024-05-17"), "export", "2024"),
        (stay("2024-05-17", "19"), "in-sde", "2024-05-17"),
        (stay("2024-05-17", "19"), "export", "2024-05"),
        (
            {
                "resourceType": "Condition", "id": "e", "recordedDate": "2024-05-17",
                "code": {"coding": [{"system": SNOMED, "code": "419099009"}]},
            },
            "in-sde", "2024-05",
        ),
    ],
)  # fmt: skip
def test_a_resource_that_says_the_patient_died_counts_as_a_death(said, setting, ends):
    (_, made, event), _ = leaving(PATIENT, observation(effectiveDateTime="2024-05-17"), said, setting=setting)
    assert made["effectiveDateTime"] == ends
    assert (event.get("period", {}).get("end") or event.get("recordedDate")) == ends


@pytest.mark.hazard("HZ-EXPORT-12")
@pytest.mark.parametrize(
    ("system", "code", "is_death"),
    [
        ("urn:nhs-record-gateway:cld:event-outcome", "NFA: Deceased", True),
        ("urn:nhs-record-gateway:cld:event-outcome", "NFA: Support declined", False),
        ("https://fhir.nhs.uk/RZZ/CodeSystem/attendance-disposal", "10", True),
        ("https://fhir.nhs.uk/RZZ/CodeSystem/attendance-disposal", "1", False),
        ("https://fhir.nhs.uk/RZZ/CodeSystem/PV1-36", "4", True),
        ("https://fhir.nhs.uk/RZZ/CodeSystem/ward", "10", False),
    ],
)
def test_a_council_or_a_department_that_says_the_person_died_gives_no_day_of_death(system, code, is_death):
    """Where the Patient has no date of death, as councils and departments often leave it."""
    said = {"resourceType": "EpisodeOfCare", "id": "e", "period": {"end": "2024-05-17"},
            "extension": [{"url": "urn:x", "valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}]}  # fmt: skip
    (_, service), _ = leaving(PATIENT, said, setting="in-sde")
    assert service["period"]["end"] == ("2024-05" if is_death else "2024-05-17")


@pytest.mark.hazard("HZ-EXPORT-12")
def test_no_edge_between_months_and_days_tells_more_than_what_leaves_anyway():
    """Daily resources of a life: where days begin and end is the same for everybody born in one year, and for everybody
    who died in one month."""
    edges = set()
    for birth, death in (("2020-01-01", "2024-06-01"), ("2020-12-31", "2024-06-30"), ("2020", "2024-06")):
        life = stages([body({"birthDate": birth, "deceasedDateTime": death})])
        edges.add((life.until, life.months_from, life.years_from))
    assert len(edges) == 1
    old = {stages([body({"birthDate": birth})], (), 2026).until for birth in ("1936-12-31", "1920", "1908-05")}
    assert len(old) == 1, "the year of birth of the very old does not leave by an edge either"


@pytest.mark.hazard("HZ-EXPORT-13")
@pytest.mark.parametrize("setting, district", [("in-sde", True), ("export", False)])
def test_of_the_dead_an_export_gives_the_year_of_death_and_no_district(setting, district):
    dead = {
        **PATIENT, "deceasedDateTime": "2024-05-06", "address": [{"use": "home", "postalCode": "LS1 1AA"}],
        "extension": [{"url": ETHNIC, "valueCodeableConcept": {"coding": [
            {"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland", "code": "A"}]}}],
    }  # fmt: skip
    (made,), _ = leaving(dead, setting=setting)
    assert ("address" in made) is district and made["deceasedDateTime"] == ("2024-05" if district else "2024")
    assert "extension" in made
    alive = {name: value for name, value in dead.items() if name != "deceasedDateTime"}
    assert "address" in leaving(alive, setting="export")[0][0]
    for other in ({"deceasedBoolean": True}, {"deceasedDateTime": "2024"}):
        assert "address" not in leaving(alive, {**PATIENT, "id": "p2", **other}, setting="export")[0][0]


@pytest.mark.parametrize("action", ["day", "month", "year", "by-setting"])
def test_a_profile_gives_a_date_of_death_only_by_the_action_for_it(action):
    with pytest.raises(Refused, match="not by this action"):
        policy.compile_tables({"Patient": {"deceasedDateTime": action}})
    policy.compile_tables({"Patient": {"deceasedDateTime": "death"}})


@pytest.mark.hazard("HZ-EXPORT-14")
def test_one_district_leaves_of_a_person_and_it_is_home():
    addresses = [
        {"use": "old", "postalCode": "EH1 1YZ"}, {"use": "temp", "postalCode": "M1 1AE"}, {"postalCode": "CB22 3AD"},
        {"use": "home", "postalCode": "LS1 1AA", "period": {"start": "2020"}}, {"use": "home", "postalCode": "LS1 2BB"},
        {"use": "home", "postalCode": "SW1A 1AA", "period": {"end": "2020"}}, {"type": "postal", "postalCode": "BT1 1AA"},
    ]  # fmt: skip
    first, second = {**PATIENT, "address": addresses}, {**PATIENT, "id": "p2", "address": addresses[2:3]}
    (one, two), dropped = leaving(first, second)
    assert one["address"] == [{"postalCode": "LS1"}] and "address" not in two
    assert dropped["Patient.address.postalCode: not the one district that leaves of a person"] == 6


@pytest.mark.hazard("HZ-EXPORT-15")
def test_a_retired_patient_does_not_leave_and_its_resources_point_at_who_stands_for_it():
    retired = {
        **PATIENT, "gender": "male", "active": False,
        "link": [{"type": "replaced-by", "other": {"reference": "Patient/p2"}}],
    }  # fmt: skip
    survivor = {**PATIENT, "id": "p2", "gender": "female"}
    bystander = {**PATIENT, "id": "p0"}
    made, dropped = leaving(retired, survivor, bystander, observation(subject={"reference": "Patient/p1"}))
    patients = {patient["id"]: patient for patient in made if patient["resourceType"] == "Patient"}
    assert len(patients) == 2 and {patient.get("gender") for patient in patients.values()} == {"female", None}
    assert patients[made[-1]["subject"]["reference"].removeprefix("Patient/")]["gender"] == "female"
    assert dropped["Patient: retired"] == 1
    assert leaving(retired, observation(subject={"reference": "Patient/p1"}))[0] == []


def test_types_asked_for_filter_and_change_nothing_else():
    worker = Pseudonymiser("sde-research", "in-sde", KEY)
    about = {
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-05-06",
        "encounter": {"reference": "Encounter/e"},
    }
    given = [
        (each["resourceType"], each["id"], body(each))
        for each in (PATIENT, stay("2024-05-17", "19"), observation(**about))
    ]
    whole = list(worker.person("x", given))
    for types in ({"Observation"}, {"Patient"}, {"Encounter", "Observation"}):
        some = list(worker.person("x", given, frozenset(types)))
        assert some == [line for line in whole if line[0] in types]
    ((_, line),) = worker.person("x", given, None, frozenset({"Observation"}))
    assert msgspec.json.decode(line)["effectiveDateTime"] == "2024-05-06" and b"reference" not in line


@pytest.mark.hazard("HZ-EXPORT-16")
@pytest.mark.parametrize(
    "value",
    [
        {"valueString": "some words"},
        {"valueRatio": {"numerator": {"value": 1}}},
        {"valueRange": {"low": {"value": 1}, "high": {"value": 9990000018}}},
        {"valueDateTime": "2024-05-06"},
        {"valueQuantity": {"value": 9990000018}},
        {"valueCodeableConcept": {"text": "some words"}},
    ],
)
@pytest.mark.parametrize("profile", ["sde-research", "minimal"])
def test_a_value_that_may_not_leave_says_that_it_is_masked(value, profile):
    masked = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "masked"}]}
    (_, made), _ = leaving(PATIENT, observation(**value), profile=profile)
    assert made["dataAbsentReason"] == masked and not any(name.startswith("value") for name in made)
    code = {"coding": [{"system": SNOMED, "code": "271649006"}]}
    part = {"code": code, **value}
    (_, made), _ = leaving(
        PATIENT, observation(component=[part, {"code": code, "valueQuantity": {"value": 1}}]), profile=profile
    )
    if "valueCodeableConcept" not in value or profile == "minimal":
        assert made["component"] == [
            {"code": code, "dataAbsentReason": masked},
            {"code": code, "valueQuantity": {"value": 1}},
        ]
    (_, plain), _ = leaving(PATIENT, observation(), profile=profile)
    assert "dataAbsentReason" not in plain, "there was none"


def test_an_element_that_was_there_and_may_not_leave_says_that_it_is_masked():
    local = {"coding": [{"system": "urn:local", "code": "x"}]}
    (_, made), _ = leaving(
        PATIENT, {"resourceType": "Condition", "id": "c", "code": local, "subject": {"reference": "Patient/gone"}}
    )
    assert made["code"]["extension"][0]["valueCode"] == "masked"
    (_, made), _ = leaving(PATIENT, {"resourceType": "ServiceRequest", "id": "s", "status": "active", "intent": "order",
                                     "subject": {"reference": "Patient/p1"}, "encounter": {"reference": "Encounter/hidden"}})  # fmt: skip
    assert "encounter" not in made, "that there is one may tell what is hidden"
    (alive,), _ = leaving({"resourceType": "Patient", "id": "p1"})
    assert "_birthDate" not in alive


@pytest.mark.parametrize("date", ["2024", "2024-05"])
def test_a_date_never_becomes_finer_than_it_was(date):
    assert of_observation(effectiveDateTime=date)[0]["effectiveDateTime"] == date


def test_a_period_without_an_end_has_none():
    made, _ = of_observation(effectivePeriod={"start": "2024-05-06"})
    assert made["effectivePeriod"] == {"start": "2024-05-06"}


def test_the_widest_reading_of_several_patients_counts():
    lives = [
        {"birthDate": "1950-02-03"},
        {"birthDate": "1950-02"},
        {},
        {"deceasedDateTime": "2024-06-05"},
        {"deceasedDateTime": "2024-07"},
    ]
    life = stages(map(body, lives))
    assert (life.until, life.months_from, life.years_from) == ("1952-01-01", "2024-05-01", "2024-01-01")


@pytest.mark.hazard("HZ-EXPORT-07")
@pytest.mark.parametrize(
    "elements, year",
    [
        ({"birthDate": "1937-12-31"}, "1937"),
        ({"birthDate": "1936-12-31"}, None),
        ({"birthDate": "1920"}, None),
        ({"birthDate": "1920", "deceasedDateTime": "2009-01"}, "1920"),
        ({"birthDate": "1920", "deceasedDateTime": "2010-01-01T00:00:00Z"}, None),
        ({"birthDate": "1920", "deceasedBoolean": True}, None),
    ],
)
def test_the_birth_year_of_somebody_of_ninety_does_not_leave_and_is_counted(elements, year):
    worker = Pseudonymiser("minimal", "export", KEY, 2026)
    ((_, line),) = worker.person("x", [("Patient", "p1", body({"resourceType": "Patient", "id": "p1", **elements}))])
    patient = msgspec.json.decode(line)
    assert patient.get("birthDate") == year and ("_birthDate" in patient) == (year is None)
    assert worker.dropped.get("Patient.birthDate: ninety or over", 0) == (year is None)


def test_whoever_reaches_ninety_in_one_record_is_ninety_in_all():
    worker = Pseudonymiser("minimal", "export", KEY, 2026)
    given = [
        ("Patient", id_, body({"resourceType": "Patient", "id": id_, "birthDate": born}))
        for id_, born in (("p1", "1935"), ("p2", "1953"))
    ]
    assert not [line for _, line in worker.person("x", given) if b'"birthDate":' in line]


# --- references and ids ---


def test_ids_and_references_carry_one_pseudonym():
    (patient, made), _ = leaving(PATIENT, observation(subject={"reference": "Patient/p1", "display": "Ann"}))
    assert made["subject"] == {"reference": f"Patient/{patient['id']}"}


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p2",
        "Patient/p1/_history/1",
        "https://example.org/fhir/Patient/p1",
        "#p1",
        "urn:uuid:p1",
        "p1",
        "Patient/p1 ",
    ],
)
def test_a_reference_out_of_the_release_is_removed_and_counted(reference):
    made, dropped = of_observation(subject={"reference": reference})
    assert "subject" not in made and dropped == {"Observation.subject: out of the release": 1}


def test_of_several_references_those_in_the_release_stay():
    given = observation(hasMember=[{"reference": "Observation/o2"}, {"reference": "Observation/gone"}])
    (_, made, second), dropped = leaving(PATIENT, given, {**observation(), "id": "o2"})
    assert made["hasMember"] == [{"reference": f"Observation/{second['id']}"}]
    assert dropped == {"Observation.hasMember: out of the release": 1}


def test_a_pseudonym_is_a_keyed_hash_that_no_one_without_the_key_can_make():
    (made,), _ = leaving(PATIENT)
    digest = hmac.new(KEY, b"Patient/p1", hashlib.sha256).digest()[:16]
    assert made["id"] == base64.b32encode(digest).decode().rstrip("=").lower() == base32(digest).decode()


@pytest.mark.hazard("HZ-EXPORT-08")
@pytest.mark.parametrize("root", [b"", b"x", bytes(31)])
def test_a_root_that_was_cut_short_makes_no_key(root):
    with pytest.raises(Refused, match="32 bytes"):
        project_key(root, "A", "one", 1)


def test_projects_versions_and_controllers_have_keys_of_their_own():
    keys = {
        project_key(KEY, "A", "one", 1),
        project_key(KEY, "A", "two", 1),
        project_key(KEY, "A", "one", 2),
        project_key(KEY, "B", "one", 1),
    }
    assert len(keys) == 4 and all(len(key) == 32 for key in keys)
    assert project_key(KEY, "A", "one", 1) in keys


@pytest.mark.parametrize("written", [b'"o1"', b'"\\u006f1"'])
def test_an_id_is_the_same_however_it_is_written(written):
    given = body(PATIENT), body(observation()).replace(b'"o1"', written)
    lines = list(
        Pseudonymiser("minimal", "export", KEY).person(
            "x", [("Patient", "p1", given[0]), ("Observation", "o1", given[1])]
        )
    )
    assert (
        msgspec.json.decode(lines[1][1])["id"]
        == base32(hmac.new(KEY, b"Observation/o1", hashlib.sha256).digest()).decode()
    )


# --- modifiers and extensions ---

MODIFIER = [{"url": "urn:x", "valueBoolean": True}]


@pytest.mark.parametrize(
    "elements",
    [
        {"modifierExtension": MODIFIER},
        {"implicitRules": "urn:x"},
        {"component": [{"code": {"coding": [{"system": SNOMED, "code": "271649006"}]}, "modifierExtension": MODIFIER}]},
        {"contained": [{"resourceType": "Patient", "modifierExtension": MODIFIER}]},
    ],
)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_resource_with_an_unknown_modifier_does_not_leave_nor_does_any_reference_to_it(elements, escaped):
    written = body(observation(**elements))
    if escaped:
        written = written.replace(b"modifierExtension", b"m\\u006fdifierExtension").replace(
            b"implicitRules", b"implicitRul\\u0065s"
        )
    worker = Pseudonymiser("sde-research", "in-sde", KEY)
    other = body({**observation(hasMember=[{"reference": "Observation/o1"}]), "id": "o2"})
    lines = [line for _, line in worker.person("x", [("Observation", "o1", written), ("Observation", "o2", other)])]
    assert len(lines) == 1 and b"hasMember" not in lines[0]
    assert worker.dropped["Observation: a modifier we do not know"] == 1 and worker.kept == {"Observation": 1}


def test_an_unknown_extension_is_dropped_and_counted_and_a_known_one_cut_down():
    code = {"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland", "code": "A"}
    concept = {"coding": [{**code, "display": "British"}], "text": "x"}
    given = [
        {"url": ETHNIC, "valueCodeableConcept": concept},
        {"url": "urn:x", "valueString": "Ann"},
        {"url": ETHNIC, "valueString": "Ann"},
    ]
    (made,), dropped = leaving({**PATIENT, "extension": given})
    assert made["extension"] == [{"url": ETHNIC, "valueCodeableConcept": {"coding": [code]}}]
    assert dropped == {
        "Patient.extension": 2, "Patient.extension.valueCodeableConcept.coding.display": 1,
        "Patient.extension.valueCodeableConcept.text": 1,
    }  # fmt: skip


@pytest.mark.parametrize("setting, wanted", [("in-sde", "2026-03-31"), ("export", "2026-03")])
def test_until_when_the_council_knew_of_a_service_leaves_with_it(setting, wanted):
    url = "urn:nhs-record-gateway:cld:as-at"
    given = {
        "resourceType": "EpisodeOfCare",
        "id": "e",
        "status": "active",
        "extension": [{"url": url, "valueDate": "2026-03-31"}],
    }
    made, _ = leaving(PATIENT, given, setting=setting)
    assert made[1]["extension"] == [{"url": url, "valueDate": wanted}]
    (other,), _ = leaving(given, setting=setting)  # a person without a birth date: months
    assert other["extension"][0]["valueDate"] == "2026-03"


def test_a_type_without_lines_does_not_leave_and_is_counted():
    made, dropped = leaving({"resourceType": "Practitioner", "id": "a", "name": [{"family": "Marsh"}]})
    assert not made and dropped == {"type not in the profile": 1}


# --- counts ---


CODES = ("271649006", "75540009", "322236009", "73211009", "38341003")


def test_counts_are_whole_however_often_answers_are_remembered(monkeypatch):
    def given(number: int) -> tuple[str, str, bytes]:
        text = "x" * (700 * (number % 3))
        made = observation(
            code={"coding": [{"system": SNOMED, "code": CODES[number % 5], "display": "x"}], "text": text},
            note=[{"text": "x"}],
        )
        return "Observation", f"o{number}", body({**made, "id": f"o{number}"})

    resources = [given(number) for number in range(60)]
    counts = []
    for most in (4096, 2):
        monkeypatch.setattr(people, "MOST_KNOWN", most)
        worker = Pseudonymiser("sde-research", "in-sde", KEY)
        lines = list(worker.person("x", resources))
        counts.append((Counter(worker.dropped), worker.kept, lines))
    assert counts[0] == counts[1]
    assert counts[0][0] == {"Observation.code.text": 60, "Observation.code.coding.display": 60, "Observation.note": 60}


def test_the_same_resources_give_the_same_bytes():
    resources = [
        ("Patient", "p1", body(PATIENT)),
        ("Observation", "o1", body(observation(subject={"reference": "Patient/p1"}))),
    ]
    assert [list(Pseudonymiser("minimal", "export", KEY).person("x", resources)) for _ in range(2)][0] == list(
        Pseudonymiser("minimal", "export", KEY).person("x", resources)
    )


@pytest.mark.corpora
def test_what_leaves_of_others_resources_is_r4_and_names_nobody(shared):
    worker = Pseudonymiser("sde-research", "in-sde", KEY)
    names: set[bytes] = set()
    people: dict[str, list[tuple[str, str, bytes]]] = {}
    for file in sorted((shared / "data" / "synthea-r4-bulk-10").glob("*.ndjson")):
        for line in file.read_bytes().splitlines()[:400]:
            resource = msgspec.json.decode(line)
            about = resource.get("subject", resource.get("patient", {})).get("reference", f"Patient/{resource['id']}")
            people.setdefault(about, []).append((resource["resourceType"], resource["id"], line))
            if resource["resourceType"] == "Patient":
                names |= {resource["name"][0]["family"].encode(), resource["id"].encode()}
    made = [line for person, resources in people.items() for _, line in worker.person(person, resources)]
    assert len(made) > 1000 and len(names) > 10
    for line in made:
        assert not model.check(line)
        assert not [name for name in names if name in line]


# --- the second judge: what no profile may hold is caught in each ---


def forbidden(profile):
    """(type, path) of each element of R4, two levels deep, that the second list names, in each type of a profile."""
    for name in policy.compiled(profile):
        for element in table.types()[name].elements:
            for path, kind in element.names.items():
                if path in policy.NEVER_NAMES or kind in policy.NEVER_TYPES:
                    yield name, path
                elif kind in table.types() and kind not in table.PRIMITIVES:
                    for below in table.types()[kind].elements:
                        yield from ((name, f"{path}.{inner}") for inner in below.names if inner in policy.NEVER_NAMES)


@pytest.mark.hazard("HZ-EXPORT-36")
@pytest.mark.parametrize("profile", PROFILES)
def test_a_forbidden_line_is_caught_in_every_type_of_every_profile(profile):
    lines = policy.tomllib.loads(policy.policy_text().decode())[profile]
    mutants = list(forbidden(profile))
    assert len(mutants) > 20
    for name, path in mutants:
        for action in policy.ACTIONS:
            mutant = {**lines, name: {**lines[name], path: f"{action}: a good reason"}}
            with pytest.raises(Refused):
                policy.compile_tables(mutant)


@pytest.mark.hazard("HZ-EXPORT-36")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "url",
    [
        "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-AddressKey",
        "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
        "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
        "http://hl7.org/fhir/StructureDefinition/patient-religion",
        "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
    ],
)
def test_an_extension_that_tells_who_somebody_is_is_caught_in_every_type(profile, url):
    lines = policy.tomllib.loads(policy.policy_text().decode())[profile]
    for name in lines:
        with pytest.raises(Refused, match="never leaves"):
            policy.compile_tables({**lines, name: {**lines[name], f"extension:{url}": "code-only: a good reason"}})


def test_the_new_profiles_give_a_reason_for_each_line():
    tables = policy.tomllib.loads(policy.policy_text().decode())
    for profile in ("planning", "linkage"):
        assert all(policy.REASON in action for lines in tables[profile].values() for action in lines.values())


def test_planning_has_months_even_in_an_sde():
    encounter = {
        "resourceType": "Encounter", "id": "e", "status": "finished", "period": {"start": "2024-03-04"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
    }  # fmt: skip
    (_, cut), _ = leaving(PATIENT, encounter, profile="planning")
    assert cut["period"] == {"start": "2024-03"}


def test_a_structured_dose_and_ranges_leave_without_their_words():
    dose = {"value": 2, "unit": "puffs", "system": UCUM, "code": "1"}
    request = {
        "resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"coding": [{"system": SNOMED, "code": "271649006"}]},
        "dosageInstruction": [{"text": "two puffs, Ann", "doseAndRate": [{"doseQuantity": dose}], "asNeededBoolean": True}],
    }  # fmt: skip
    (_, cut), _ = leaving(PATIENT, request)
    amount = {"value": 2, "system": UCUM, "code": "1"}
    assert cut["dosageInstruction"] == [{"asNeededBoolean": True, "doseAndRate": [{"doseQuantity": amount}]}]
    cut, _ = of_observation(valueRange={"low": {"value": 1, "unit": "a"}, "high": {"value": 3, "unit": "b"}})
    assert cut["valueRange"] == {"low": {"value": 1}, "high": {"value": 3}}
    cut, _ = of_observation(valueRatio={"numerator": {"value": 1}, "denominator": {"value": 32, "unit": "x"}})
    assert cut["valueRatio"] == {"numerator": {"value": 1}, "denominator": {"value": 32}}

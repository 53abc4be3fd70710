"""UK Core's constraints, rule by rule: what is broken is an error, what is only not given a warning, and nobody says
more than was checked."""

import json
import re
from pathlib import Path

import pytest

from gateway.nhs import ukcore
from gateway.nhs.ukcore import BASE, PROFILES, RETIRED, check, check_claimed

ROOT = Path(__file__).parents[2]
EXTENSION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
NHS_NUMBER = {"system": ukcore.NHS_NUMBER, "value": "9990000018"}
LABORATORY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
}
REPORTED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}]}
LINK = {
    "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.media.link",
    "valueReference": {"reference": "a"},
}
COLLECTOR = {
    "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Specimen.collection.collector",
    "valueReference": {"reference": "a"},
}
MEDIA = "ukcore-diag-lab-002: the extension for the link or its reference, not both"
ONE, EXACTLY = "1..* in UK Core", "1..1 in UK Core"


def verified(system: str) -> dict:
    codings = {"coding": [{"system": system, "code": "01"}]}
    return NHS_NUMBER | {"extension": [{"url": ukcore.VERIFICATION, "valueCodeableConcept": codings}]}


RULES = (
    ("Patient", "identifier:nhsNumber.value", ONE,
     {"identifier": [{"system": ukcore.NHS_NUMBER}]}, {"identifier": [NHS_NUMBER, {"system": "urn:a"}]}),
    ("Patient", "identifier:nhsNumber.extension", "the system of the verification status is fixed",
     {"identifier": [verified("urn:a")]}, {"identifier": [verified(ukcore.VERIFICATION_SYSTEM)]}),
    ("AllergyIntolerance", "code", ONE, {}, {"code": {"text": "a"}}),
    ("Medication", "code", ONE, {}, {"code": {"text": "a"}}),
    ("MedicationRequest", "substitution", ONE, {}, {"substitution": {"allowedBoolean": False}}),
    ("MedicationStatement", "identifier", "system and value are needed",
     {"identifier": [{"system": "a", "value": "a"}, {"value": "a"}]}, {"identifier": [{"system": "a", "value": "a"}]}),
    ("Observation-Lab", "category", ONE, {"valueString": "a"}, {"category": [LABORATORY], "valueString": "a"}),
    ("Observation-Lab", "category:laboratory", EXACTLY,
     {"category": [REPORTED], "valueString": "a"}, {"category": [REPORTED, LABORATORY], "valueString": "a"}),
    ("Observation-Lab", "category:laboratory", EXACTLY,
     {"category": [LABORATORY, LABORATORY], "valueString": "a"}, {"category": [LABORATORY], "note": [{"text": "a"}]}),
    ("Observation-Lab", "value[x]", "ukcore-obs-lab-001: a value, the reason why there is none, or a note",
     {"category": [LABORATORY]}, {"category": [LABORATORY], "dataAbsentReason": {"text": "a"}}),
    ("Observation-Group-Lab", "category", ONE, {}, {"category": [LABORATORY]}),
    ("Observation-Group-Lab", "category:laboratory", EXACTLY, {"category": [{"text": "a"}]}, {"category": [LABORATORY]}),
    ("Observation-Group-Lab", "value[x]", "ukcore-obs-grplab-001: a group has no value",
     {"category": [LABORATORY], "valueInteger": 1}, {"category": [LABORATORY]}),
    ("DiagnosticReport", "media", MEDIA,
     {"media": [{"extension": [LINK], "link": {"reference": "Media/a"}}]}, {"media": [{"extension": [LINK], "link": {"display": "a"}}]}),
    ("DiagnosticReport-Lab", "category", ONE, {"subject": {}}, {"category": [REPORTED], "subject": {}}),
    ("DiagnosticReport-Lab", "category:laboratory", EXACTLY, {"category": [LABORATORY], "subject": {}}, {"category": [REPORTED], "subject": {}}),
    ("DiagnosticReport-Lab", "subject", ONE, {"category": [REPORTED]}, {"category": [REPORTED], "subject": {}}),
    ("DiagnosticReport-Lab", "issued", "ukcore-diag-lab-001: a time of issue",
     {"category": [REPORTED], "subject": {}, "status": "final"}, {"category": [REPORTED], "subject": {}, "status": "cancelled"}),
    ("Immunization", "statusReason", "ukcore-imm-001: not-done needs a reason", {"status": "not-done"}, {"status": "completed"}),
    ("Organization", "identifier:ods.value", ONE,
     {"identifier": [{"system": ukcore.ODS[0]}]}, {"identifier": [{"system": ukcore.ODS[0], "value": "A"}]}),
    ("Location", "identifier:ods.value", ONE, {"identifier": [{"system": ukcore.ODS[1]}]}, {"identifier": [{"system": ukcore.ODS[1], "value": "A"}]}),
    ("Specimen", "collection.collector", "ukcore-spec-001: the extension for the collector or its reference, not both",
     {"collection": {"collector": {"reference": "a", "extension": [COLLECTOR]}}}, {"collection": {"collector": {"reference": "a"}}}),
)  # fmt: skip
WARNED = {"ukcore-obs-lab-001", "ukcore-obs-grplab-001", "ukcore-diag-lab-001"}


def of(profile: str, **elements: object) -> dict:
    return {"resourceType": profile.partition("-")[0], "meta": {"profile": [BASE + profile]}, **elements}


@pytest.mark.parametrize(
    ("profile", "element", "words", "broken", "kept"), RULES, ids=[f"{each[0]} {each[1]}" for each in RULES]
)
def test_a_constraint_is_told_where_it_is_broken_and_not_where_it_is_kept(profile, element, words, broken, kept):
    severity = "warning" if words.partition(":")[0] in WARNED else "error"
    place = f"{profile.partition('-')[0]}.{element}"
    assert (severity, place, words) in [
        (issue.severity, issue.location, issue.message) for issue in check(of(profile, **broken))
    ]
    assert check(of(profile, **kept)) == []


def test_every_constraint_of_the_table_is_broken_once():
    assert {(name, rule.element, rule.words) for name, profile in PROFILES.items() for rule in profile.rules} == {
        each[:3] for each in RULES
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_not_given_is_a_warning_where_it_is_asked_for(profile):
    gaps = [issue for issue in check(of(profile), supported=True) if issue.code == "incomplete"]
    assert {(issue.severity, issue.location, issue.message) for issue in gaps} == {
        ("warning", f"{profile.partition('-')[0]}.{element}", "must support: not given")
        for element in PROFILES[profile].supported
    }
    assert not [issue for issue in check(of(profile)) if issue.code == "incomplete"]


@pytest.mark.parametrize(
    ("given", "is_given"),
    [("valueString", True), ("_valueQuantity", True), ("value", False), ("values", False)],
)  # fmt: skip
def test_a_choice_is_given_by_any_of_its_names(given, is_given):
    gaps = [issue.location for issue in check(of("Observation", **{given: "a"}), supported=True)]
    assert ("Observation.value[x]" not in gaps) == is_given


def test_a_reason_for_a_status_is_no_status():
    assert "Immunization.status" in [
        issue.location for issue in check(of("Immunization", statusReason={}), supported=True)
    ]


def test_gaps_are_told_of_what_says_it_is_of_uk_core():
    plain = {"resourceType": "Patient"}
    assert check_claimed(plain) == [] and len(check_claimed(of("Patient"))) == len(PROFILES["Patient"].supported)
    assert check_claimed(plain | {"meta": {"profile": ["http://example.org/p"]}}) == []


@pytest.mark.parametrize(
    ("profiles", "elements"),
    [
        ([], ["code"]),
        ([BASE + "AllergyIntolerance"], ["code"]),
        ([BASE + "AllergyIntolerance|2.5.0"], ["code"]),
        ([BASE + "AllergyIntolerance-Later"], ["code"]),
        (["http://example.org/p"], ["code"]),
        ([BASE + "AllergyIntolerance", BASE + "AllergyIntolerance|2.5.0"], ["code"]),
    ],
    ids=["none", "its own", "a version", "one that is not in the table", "another's", "two"],
)
def test_a_resource_is_checked_by_the_profiles_it_names_or_its_types_own(profiles, elements):
    resource = {"resourceType": "AllergyIntolerance", "meta": {"profile": profiles}}
    assert [issue.location for issue in check(resource)] == [f"AllergyIntolerance.{element}" for element in elements]


def test_all_profiles_that_are_named_are_checked():
    resource = {
        "resourceType": "Observation",
        "meta": {"profile": [BASE + "Observation", BASE + "Observation-Group-Lab|2.1.0"]},
    }
    assert [issue.location for issue in check(resource)] == ["Observation.category", "Observation.category:laboratory"]


def test_a_type_that_uk_core_does_not_constrain_has_no_faults():
    assert check({"resourceType": "Basic"}, supported=True) == []


@pytest.mark.parametrize("name", sorted(RETIRED))
def test_a_retired_extension_is_an_error_at_its_place(name):
    resource = {"resourceType": "Condition", "extension": [{"url": "http://example.org/e"}, {"url": EXTENSION + name}]}
    assert [(issue.severity, issue.code, issue.location) for issue in check(resource)] == [
        ("error", "business-rule", "Condition.extension[1]")
    ]


def test_no_issue_tells_a_value():
    secret = "Zq7xWv3k"
    for profile, _, _, broken, _ in RULES:
        resource = json.loads(
            json.dumps(of(profile, **broken)).replace('"a"', f'"{secret}"').replace('"9990000018"', f'"{secret}"')
        )
        assert secret not in "".join("".join(issue.as_dict().values()) for issue in check(resource, supported=True))


def test_nobody_says_validated_against_uk_core():
    texts = [
        *ROOT.glob("*.md"),
        *(path for room in ("gateway", "mappings", "terminology") for path in (ROOT / room).rglob("*.*")),
    ]
    read = {path: path.read_text(encoding="utf-8") for path in texts if path.suffix in (".py", ".md", ".html", ".toml")}
    claim = re.compile(r"(?<!not \")(?<!never \")(valid|conform)\w* (against|with|to) UK.Core")
    said = [str(path.relative_to(ROOT)) for path, text in read.items() if claim.search(text)]
    assert said == []


# What the table says, and what the publisher's definitions say


@pytest.fixture(scope="module")
def digest(shared) -> dict[str, dict]:
    return {
        each["id"]: each
        for each in json.loads((shared / "data" / "uk-core" / "digest.json").read_text(encoding="utf-8"))
    }


@pytest.mark.corpora
@pytest.mark.parametrize("profile", PROFILES)
def test_must_support_is_what_the_profile_says(digest, profile):
    elements = {element.partition(".")[2] for element in digest[f"UKCore-{profile}"]["mustSupport"]}
    assert set(PROFILES[profile].supported) == {
        element for element in elements if element and not re.search(r"[.:]", element)
    }


@pytest.mark.corpora
@pytest.mark.parametrize("profile", PROFILES)
def test_constraints_are_those_of_the_profile(digest, profile):
    definition = digest[f"UKCore-{profile}"]
    stated = {each[1]: each[2] for each in definition["constraints"]}
    told = {
        rule.words.partition(":")[0]: rule.severity
        for rule in PROFILES[profile].rules
        if rule.words.startswith("ukcore-")
    }
    assert told == stated
    required = {
        element.partition(".")[2].partition(":")[0].partition(".")[0] for element, _, _ in definition["required"]
    } - {"extension"}
    assert required <= {re.split(r"[.:]", rule.element)[0] for rule in PROFILES[profile].rules}


@pytest.mark.corpora
def test_retired_extensions_are_those_of_the_publisher(digest):
    prefix = "Extension-UKCore-"
    assert {
        name.removeprefix(prefix)
        for name, each in digest.items()
        if each["status"] == "retired" and name.startswith(prefix)
    } == RETIRED

"""Valid R4 is accepted, and what is not is told by its place and kind, never by its value; in hostile bytes as in
honest mistakes."""

import importlib
import json
import time
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fhir import model, narrative
from gateway.fhir.build import encode
from gateway.fhir.issues import MOST, Issue
from tests.fhir.mutate import FAULTS, mutants, nodes
from tests.fhir.resources import CODE, DIV, PATIENT, body, made, one_of_each, samples

SECRET = "Zq7xWv3k"
"""Stands where a value would; no issue may tell it."""
EXTENSION = {"url": "http://example.org/e", "valueString": "a"}
NAMELESS = [{"extension": [EXTENSION]}]
QUANTITY = b'{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":%s}}'
BASIC = {"resourceType": "Basic", "id": "b", "code": CODE}

UNPRESCRIBED = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": PATIENT}


def about(**subject: object) -> dict:
    return made("Observation", subject=subject)


def timed(*events: str | None) -> dict:
    return made("Basic", extension=[{"url": "urn:a", "valueTiming": {"event": list(events)}}])


def bundle(*resources: dict) -> dict:
    return made("Bundle", entry=[{"resource": resource} for resource in resources])


def nested(depth: int) -> bytes:
    inner = b'[{"url":"a","extension":' * depth + b'[{"url":"a","valueString":"a"}]' + b"}]" * depth
    return b'{"resourceType":"Patient","extension":' + inner + b"}"


VALID = {
    "a primitive with an extension alone": made("Observation", status=None, _status=NAMELESS[0]),
    "a null beside an extension": made("Patient", name=[{"given": [None, "b"], "_given": [*NAMELESS, None]}]),
    "a choice with an extension alone": made("Patient", _deceasedBoolean=NAMELESS[0]),
    "a year": made("Patient", birthDate="1960"),
    "a month": made("Patient", birthDate="1960-02"),
    "29 February of a leap year": made("Patient", birthDate="2024-02-29"),
    "a leap second": made("Observation", effectiveDateTime="2016-12-31T23:59:60Z"),
    "an extension in an extension": made("Patient", extension=[{"url": "http://example.org/e", "extension": [EXTENSION]}]),
    "a contained resource": made("Patient", contained=[made("Organization", id="o")], managingOrganization={"reference": "#o"}),
    "a contained resource that refers to its container": made("Patient", contained=[BASIC | {"subject": {"reference": "#"}}]),
    "a reference to a version": about(reference="Patient/a/_history/1"),
    "a reference elsewhere": about(reference="https://example.org/fhir/Patient/a"),
    "a reference to a URN": about(reference="urn:uuid:6a4b5ddc-33c2-4e9b-9f44-4c8d34d9f0d4"),
    "a conditional reference": about(reference="Patient?identifier=urn:a|b"),
    "a logical reference": made("Observation", subject={"type": "Patient", "identifier": {"system": "urn:a", "value": "a"}}),
    "a narrative": made("Patient", text={"status": "generated", "div": DIV}),
    "base64 in lines": made("Patient", photo=[{"contentType": "image/png", "data": "AAAA\r\nAAA="}]),
    "an emoji": made("Patient", name=[{"family": "😀"}]),
}  # fmt: skip
VALID["a primitive with an extension alone"].pop("status")

BROKEN = {
    "a required primitive missing": ({"resourceType": "Observation", "code": CODE}, "Observation.status", "required"),
    "a required element missing": ({"resourceType": "Observation", "status": "final"}, "Observation.code", "required"),
    "a required choice missing": (UNPRESCRIBED, "MedicationRequest.medication[x]", "required"),
    "an unknown element": (made("Patient", colour="a"), "Patient", "structure"),
    "an unknown element within": (made("Patient", name=[{}, {"colour": "a"}]), "Patient.name[1]", "structure"),
    "a type that the choice has not": (made("Patient", deceasedInteger=1), "Patient", "structure"),
    "an element of a later version": (made("Basic", contained=[{"resourceType": "Binary", "url": "urn:a"}]), "Basic.contained[0]", "structure"),
    "a resource of a later version": ({"resourceType": "SubscriptionStatus"}, "resourceType", "structure"),
    "an abstract resource": ({"resourceType": "DomainResource"}, "resourceType", "structure"),
    "no resource type": ({"id": "a"}, "resourceType", "structure"),
    "a list of resource types": ({"resourceType": ["Patient"]}, "resourceType", "structure"),
    "a number for a string": (made("Patient", name=[{"family": 1}]), "Patient.name[0].family", "value"),
    "a string for a boolean": (made("Patient", active="true"), "Patient.active", "value"),
    "a string for a number": (made("Observation", valueQuantity={"value": "1"}), "Observation.valueQuantity.value", "value"),
    "a fraction for an integer": (made("Patient", multipleBirthInteger=1.5), "Patient.multipleBirthInteger", "value"),
    "an integer written as a fraction": (made("Patient", multipleBirthInteger=1.0), "Patient.multipleBirthInteger", "value"),
    "a boolean for an integer": (made("Patient", multipleBirthInteger=True), "Patient.multipleBirthInteger", "value"),
    "an integer too large": (made("Patient", multipleBirthInteger=2**31), "Patient.multipleBirthInteger", "value"),
    "a negative unsignedInt": (made("Bundle", type="searchset", total=-1), "Bundle.total", "value"),
    "nought for a positiveInt": (made("Patient", telecom=[{"rank": 0}]), "Patient.telecom[0].rank", "value"),
    "a code outside the set": (made("Patient", gender="M"), "Patient.gender", "code-invalid"),
    "a code in capitals": (made("Observation", status="FINAL"), "Observation.status", "code-invalid"),
    "30 February": (made("Patient", birthDate="2024-02-30"), "Patient.birthDate", "value"),
    "29 February of no leap year": (made("Patient", birthDate="2023-02-29"), "Patient.birthDate", "value"),
    "31 April with a time": (made("Observation", effectiveDateTime="2024-04-31T10:00:00Z"), "Observation.effectiveDateTime", "value"),
    "a 30 February in a list": (timed("2024-01-01", "2024-02-30"), "Basic.extension[0].valueTiming.event[1]", "value"),
    "a thirteenth month": (made("Patient", birthDate="2024-13-01"), "Patient.birthDate", "value"),
    "a year of two digits": (made("Patient", birthDate="24"), "Patient.birthDate", "value"),
    "a date the English way": (made("Patient", birthDate="01/02/2024"), "Patient.birthDate", "value"),
    "a time without zone": (made("Observation", effectiveDateTime="2024-02-01T10:00:00"), "Observation.effectiveDateTime", "value"),
    "a time without seconds": (made("Observation", effectiveDateTime="2024-02-01T10:00Z"), "Observation.effectiveDateTime", "value"),
    "an hour 24": (made("Observation", effectiveDateTime="2024-02-01T24:00:00Z"), "Observation.effectiveDateTime", "value"),
    "an instant of a day": (made("Observation", issued="2024-02-01"), "Observation.issued", "value"),
    "a date in other digits": (made("Patient", birthDate="२०२४"), "Patient.birthDate", "value"),
    "two values of one choice": (made("Observation", valueString="a", valueInteger=1), "Observation.value[x]", "structure"),
    "a value and the sibling of another": (made("Patient", deceasedBoolean=True, _deceasedDateTime=NAMELESS[0]), "Patient.deceased[x]", "structure"),
    "an empty object": (made("Patient", maritalStatus={}), "Patient.maritalStatus", "invariant"),
    "an object of an id alone": (made("Patient", maritalStatus={"id": "a"}), "Patient.maritalStatus", "invariant"),
    "an empty list": (made("Patient", name=[]), "Patient.name", "structure"),
    "an empty string": (made("Patient", name=[{"family": ""}]), "Patient.name[0].family", "value"),
    "a string of spaces": (made("Patient", name=[{"family": " \t"}]), "Patient.name[0].family", "value"),
    "a string with a NUL": (made("Patient", name=[{"family": "a\0"}]), "Patient.name[0].family", "value"),
    "a string over a megabyte": (made("Patient", name=[{"family": "a" * (1024 * 1024 + 1)}]), "Patient.name[0].family", "value"),
    "a null": (made("Patient", active=None), "Patient.active", "value"),
    "a null object in a list": (made("Patient", name=[None]), "Patient.name[0]", "structure"),
    "a null with nothing beside it": (made("Patient", name=[{"given": ["a", None]}]), "Patient.name[0].given[1]", "structure"),
    "a null date with nothing beside it": (timed("2024", None), "Basic.extension[0].valueTiming.event[1]", "structure"),
    "a list of nulls beside nothing": (made("Patient", name=[{"_given": [None]}]), "Patient.name[0].given[0]", "structure"),
    "a list for a scalar": (made("Patient", gender=["male"]), "Patient.gender", "value"),
    "a scalar for a list": (made("Patient", name={"family": "a"}), "Patient.name", "structure"),
    "a string for an object": (made("Patient", maritalStatus="M"), "Patient.maritalStatus", "structure"),
    "a sibling that is no object": (made("Patient", birthDate="2024", _birthDate="a"), "Patient._birthDate", "structure"),
    "a sibling of what is no primitive": (made("Patient", _name=[{"id": "a"}]), "Patient.name", "structure"),
    "an extension with value and child": (made("Patient", extension=[EXTENSION | {"extension": [EXTENSION]}]), "Patient.extension[0]", "invariant"),
    "an extension with neither": (made("Patient", extension=[{"url": "urn:a"}]), "Patient.extension[0]", "invariant"),
    "an extension without url": (made("Patient", extension=[{"valueString": "a"}]), "Patient.extension[0].url", "required"),
    "an extension with two values": (made("Patient", extension=[EXTENSION | {"valueCode": "a"}]), "Patient.extension[0].value[x]", "structure"),
    "an extension of a primitive": (made("Patient", _birthDate={"extension": [{"url": "urn:a"}]}), "Patient._birthDate.extension[0]", "invariant"),
    "a reference to the wrong type": (about(reference="Organization/a"), "Observation.subject", "value"),
    "a reference elsewhere to the wrong type": (about(reference="https://example.org/a/Organization/a"), "Observation.subject", "value"),
    "a logical reference to the wrong type": (about(type="Organization", display="a"), "Observation.subject.type", "value"),
    "a reference that is none": (about(reference="Patient a"), "Observation.subject", "value"),
    "a reference without id": (about(reference="Patient/"), "Observation.subject", "value"),
    "a reference to nothing contained": (about(reference="#a"), "Observation.subject", "invariant"),
    "a contained resource nobody refers to": (made("Patient", contained=[BASIC]), "Patient.contained[0]", "invariant"),
    "an id too long": (made("Patient", id="a" * 65), "Patient.id", "value"),
    "an id with an underscore": (made("Patient", id="a_b"), "Patient.id", "value"),
    "an empty id": (made("Patient", id=""), "Patient.id", "value"),
    "a uri with a space": (made("Patient", identifier=[{"system": "urn:a b"}]), "Patient.identifier[0].system", "value"),
    "an oid that is none": (made("Basic", extension=[{"url": "urn:a", "valueOid": "1.2.3"}]), "Basic.extension[0].valueOid", "value"),
    "base64 that is none": (made("Patient", photo=[{"contentType": "image/png", "data": "AAA"}]), "Patient.photo[0].data", "value"),
    "a narrative with a script": (made("Patient", text={"status": "empty", "div": DIV.replace("a<", "<script/><")}), "Patient.text.div", "invariant"),
    "a narrative without div": (made("Patient", text={"status": "generated"}), "Patient.text.div", "required"),
    "a fault in an entry of a Bundle": (bundle(made("Patient"), made("Patient", gender="M")), "Bundle.entry[1].resource.gender", "code-invalid"),
    "a fault in a part of a part": (made("Basic", code={"coding": [{}, {"code": " a"}]}), "Basic.code.coding[1].code", "value"),
}  # fmt: skip

UNREADABLE = {
    "nothing": b"",
    "spaces": b" \n",
    "a word": b"Patient",
    "half of it": b'{"resourceType":"Patient","id":"Zq7xWv3k',
    "two of it": b'{"resourceType":"Patient"}{"resourceType":"Patient"}',
    "a comma too many": b'{"resourceType":"Patient",}',
    "single quotes": b"{'resourceType':'Patient'}",
    "NaN": QUANTITY % b"NaN",
    "Infinity": QUANTITY % b"-Infinity",
    "a number with a nought before it": QUANTITY % b"01",
    "a number with a plus": QUANTITY % b"+1",
    "a number without digits before its point": QUANTITY % b".5",
    "Latin-1": '{"resourceType":"Patient","name":[{"family":"Zq7xWv3ké"}]}'.encode("latin-1"),
    "Latin-1 in a name": '{"resourceType":"Patient","Zq7xWv3ké":1}'.encode("latin-1"),
    "UTF-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "an encoded surrogate": b'{"resourceType":"Patient","name":[{"family":"\xed\xa0\x80"}]}',
    "an overlong slash": b'{"resourceType":"Patient","name":[{"family":"\xc0\xaf"}]}',
    "a raw control character": b'{"resourceType":"Patient","name":[{"family":"a\x01"}]}',
    "a raw newline": b'{"resourceType":"Patient","name":[{"family":"a\nb"}]}',
}  # fmt: skip
BOMBS = {
    "open lists": b"[" * 1_000_000,
    "open objects": b'{"a":' * 1_000_000,
    "closed objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "extensions": nested(40),
    "contained": b'{"resourceType":"Patient","contained":[' * 40 + b'{"resourceType":"Patient"}' + b"]}" * 40,
    "behind brackets in strings": b'{"resourceType":"Patient","a":"]]]]\\"]]]]]]]]]]]]]]","b":' + b"[" * 70 + b"]" * 70 + b"}",
    "too large": b'{"resourceType":"Patient"' + b" " * model.LARGEST + b"}",
}  # fmt: skip
NUMBERS = (b"1e400", b"-1e400", b"1e999999999999", b"9" * 400, b"9" * 10_000)
TRAPS = {
    "id": made("Patient", id="a\n"), "code": made("Patient", language="a\n"), "bound code": made("Patient", gender="male\n"),
    "date": made("Patient", birthDate="2024-01-01\n"), "uri": made("Patient", implicitRules="urn:a\n"),
    "dateTime": made("Observation", effectiveDateTime="2024\n"), "instant": made("Observation", issued="2024-01-01T00:00:00Z\n"),
    "time": made("Observation", valueTime="10:00:00\n"), "reference": about(reference="Patient/a\n"),
    "uuid": made("Basic", extension=[{"url": "urn:a", "valueUuid": "urn:uuid:6a4b5ddc-33c2-4e9b-9f44-4c8d34d9f0d4\n"}]),
    "oid": made("Basic", extension=[{"url": "urn:a", "valueOid": "urn:oid:1.2\n"}]),
}  # fmt: skip
TWICE = {
    "a name twice": b'{"resourceType":"Patient","id":"a","id":"b"}',
    "the same value twice": b'{"resourceType":"Patient","id":"a","id":"a"}',
    "a resource type twice": b'{"resourceType":"Patient","resourceType":"Patient"}',
    "a name twice, once escaped": b'{"resourceType":"Patient","id":"a","\\u0069d":"b"}',
    "a name twice within": b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
}  # fmt: skip
ACTIVE = (
    "<script>a</script>", '<p onclick="a">a</p>', '<a href="javascript:a">a</a>', '<a href=" JavaScript:a">a</a>', '<a href="java&#9;script:a">a</a>',
    '<a href="java&#10;script:a">a</a>', '<a href="data:text/html,a">a</a>', '<a href="data:image/svg+xml,a">a</a>', "<form>a</form>",
    '<iframe src="a"/>', '<object data="a"/>', "<style>a</style>", '<link href="a"/>', '<svg xmlns="http://www.w3.org/2000/svg"/>', "<![CDATA[a]]>",
    "<?php a ?>", "<!DOCTYPE a>a", "<p>a", "&", "a&nothing;", "a&NBSP;", "<input/>", '<x:script xmlns:x="http://www.w3.org/1999/xhtml">a</x:script>',
)  # fmt: skip
PASSIVE = (
    "a", "<p>a</p>", "<b>a</b> &lt;b&gt; &nbsp; &#160;", '<a href="https://example.org">a</a>', '<img src="data:image/png;base64,AAAA" alt="a"/>',
    '<table class="a"><tr><td colspan="2">a</td></tr></table>', "<!-- a -->a", '<img src="#a"/>', "&eacute;",
)  # fmt: skip
SECOND_OPINION = {
    "MedicationRequest": "counts a required choice whose only value is an extension (`_allowedBoolean`) as missing"
}
"""Where fhir.resources refuses a sample of ours, and why it is wrong."""


def told(resource: object, **how: bool) -> list[tuple[str, str]]:
    return [
        (issue.location, issue.code)
        for issue in model.check(resource if isinstance(resource, bytes) else body(resource), **how)
    ]


@pytest.mark.parametrize("resource", VALID.values(), ids=VALID)
def test_valid_resources_are_accepted(resource):
    assert model.check(body(resource), duplicates=True) == []


@pytest.mark.parametrize(("resource", "place", "code"), BROKEN.values(), ids=BROKEN)
def test_a_fault_is_told_by_its_place_and_kind(resource, place, code):
    assert (place, code) in told(resource)


def test_all_faults_are_told_at_once_also_beside_what_is_broken():
    broken = {"gender": "M", "name": {"family": 1}, "active": "yes"}
    wrong = {"birthDate": "2024-02-30", "telecom": [{"value": "1"}], "contact": [{"gender": "male"}]}
    assert sorted(told(made("Patient", **broken, **wrong))) == [
        ("Patient.active", "value"), ("Patient.birthDate", "value"), ("Patient.contact[0]", "invariant"), ("Patient.gender", "code-invalid"),
        ("Patient.name", "structure"), ("Patient.telecom[0]", "invariant"),
    ]  # fmt: skip


def test_of_what_is_broken_nothing_else_is_said():
    parts = [7, {"code": CODE, "valueQuantity": {"value": "7"}}]
    assert told(made("Observation", code="a", component=parts, referenceRange=[{"low": {"value": "a"}}])) == [
        ("Observation.code", "structure"), ("Observation.component[0]", "structure"), ("Observation.component[1].valueQuantity.value", "value"),
        ("Observation.referenceRange[0].low.value", "value"),
    ]  # fmt: skip


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_json_is_refused(sent):
    assert model.check(sent) == [Issue("error", "structure", "", "not JSON in UTF-8")]


@pytest.mark.parametrize("sent", [b"null", b"[]", b'"a"', b"7", b"true"])
def test_what_is_no_object_is_refused(sent):
    assert told(sent) == [("", "structure")]


@pytest.mark.parametrize("sent", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_bounds_and_at_once(sent):
    started = time.process_time()
    assert told(sent, duplicates=True) == [("", "too-long")]
    assert time.process_time() - started < 2


def test_the_deepest_that_is_allowed_is_looked_at():
    assert told(nested(30)) == []


def test_brackets_in_strings_are_no_depth():
    assert told(made("Patient", name=[{"family": "[" * 200, "text": '"{' * 200, "suffix": ["\\", '\\"[['] * 40}])) == []


def test_running_out_of_stack_is_a_fault_of_the_resource(monkeypatch):
    monkeypatch.setattr(model, "DEEPEST", 10**9)
    assert told(BOMBS["open objects"]) == [("", "structure")]


@pytest.mark.parametrize("number", NUMBERS, ids=["1e400", "-1e400", "1e999999999999", "400 digits", "10000 digits"])
def test_a_number_beyond_all_bounds_has_a_place(number):
    assert told(QUANTITY % number) == [("Observation.valueQuantity.value", "value")]
    assert told(b'{"resourceType":"Patient","multipleBirthInteger":%s}' % number) == [
        ("Patient.multipleBirthInteger", "value")
    ]


@pytest.mark.parametrize("resource", TRAPS.values(), ids=TRAPS)
def test_a_newline_behind_a_value_does_not_pass(resource):
    assert len(told(resource)) == 1


@pytest.mark.parametrize(
    "space", [chr(point) for point in range(0x3001) if chr(point).isspace()], ids=lambda space: f"U+{ord(space):04X}"
)
@pytest.mark.parametrize("written", ["{}", "{}{}"])
def test_a_string_of_white_space_alone_is_refused_however_it_is_written(space, written):
    text = written.format(space, space)
    raw = f'{{"resourceType":"Patient","name":[{{"text":"{text}"}}]}}'.encode()
    for resource in (made("Patient", name=[{"text": text}]), *([raw] if space == " " or space >= "\x7f" else [])):
        assert {place for place, _ in told(resource)} == {"Patient.name[0].text"}
    for beside in (f"{text}a", f"a{text}"):
        assert ("Patient.name[0].text", "value") not in told(made("Patient", name=[{"text": beside}])) or space < "\x20"


@pytest.mark.parametrize("sent", TWICE.values(), ids=TWICE)
def test_an_object_with_one_name_twice_is_refused_where_it_is_asked(sent):
    assert told(sent, duplicates=True) == [("", "structure")]
    assert told(sent) == [] or sent == TWICE["a resource type twice"]


def test_a_wrong_value_cannot_keep_a_pattern_busy():
    started = time.process_time()
    assert told(made("Patient", photo=[{"contentType": "image/png", "data": "AAAA  " * 5_000 + "!"}])) == [
        ("Patient.photo[0].data", "value")
    ]
    assert told(made("Observation", subject={"reference": "A/" * 50_000})) == [("Observation.subject", "value")]
    assert told(made("Patient", language="a " * 50_000)) == [("Patient.language", "value")]
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", [{}, {"given": []}, 7, {"id": "a"}])
def test_of_millions_of_faults_a_thousand_are_told(name):
    issues = model.check(body(made("Patient", name=[name] * 200_000)))
    assert len(issues) == MOST + 1 and issues[-1] == Issue(
        "error", "incomplete", "", "so many faults that the rest is not told"
    )


@pytest.mark.parametrize("inner", ACTIVE)
def test_a_narrative_holds_nothing_active(inner):
    assert narrative.fault(f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>')


@pytest.mark.parametrize("inner", PASSIVE)
def test_a_narrative_of_the_allowed_subset_passes(inner):
    assert narrative.fault(f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>') == ""


def test_kinds_and_places_of_faults_are_what_an_operation_outcome_holds():
    issues = [issue for resource, _, _ in BROKEN.values() for issue in model.check(body(resource))]
    told_ = [
        {"severity": each.severity, "code": each.code, "details": {"text": each.message}, "expression": [each.location]}
        for each in issues
    ]
    assert model.check(body({"resourceType": "OperationOutcome", "issue": told_})) == []


# Our own samples, and a second opinion


@pytest.mark.parametrize(("name", "resource"), samples(), ids=[name for name, _ in samples()])
def test_what_we_map_is_valid_to_us_and_to_another(name, resource):
    assert model.check(body(resource)) == []
    assert is_accepted(resource) or resource["resourceType"] in SECOND_OPINION


@pytest.mark.parametrize(
    ("name", "resource"), one_of_each(), ids=[resource["resourceType"] for _, resource in one_of_each()]
)
def test_of_single_faults_in_what_we_map_none_passes(name, resource):
    missed = [(kind, place) for kind, place, mutant in mutants(resource, seed=7) if not model.check(body(mutant))]
    assert missed == []


@pytest.mark.parametrize(("name", "resource"), VALID.items(), ids=VALID)
def test_what_is_valid_to_us_is_to_another(name, resource):
    assert is_accepted(resource) or name in SECOND_OPINION


def is_accepted(resource: dict) -> bool:
    """Whether fhir.resources takes it for R4B, which for these types is R4."""
    try:
        module = importlib.import_module(f"fhir.resources.R4B.{resource['resourceType'].lower()}")
        getattr(module, resource["resourceType"]).model_validate(resource)
    except Exception:  # whatever it says no with
        return False
    return True


# Never the value

LEAVES = [(resource, node.path, name) for _, resource in one_of_each() for node in nodes(resource) for name, value in node.value.items()
          if name != "resourceType"]  # fmt: skip
SAID = st.sampled_from([SECRET, [SECRET], {"value": SECRET}, {SECRET: 1}, {SECRET: SECRET}, [[SECRET]], {"reference": f"{SECRET}/{SECRET}"},
                        {"extension": [{"url": SECRET, SECRET: SECRET}]}, {"resourceType": SECRET}, f"<div>{SECRET}", f"{SECRET}\n"])  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(leaf=st.sampled_from(LEAVES), said=SAID, beside=st.booleans(), data=st.data())
def test_no_issue_tells_a_value(leaf, said, beside, data):
    resource, path, name = leaf
    made_ = at = json.loads(json.dumps(resource))
    for step in path:
        at = at[step]
    at[SECRET if beside else name] = said
    kind, _, broken = data.draw(
        st.sampled_from(list(mutants(made_, 1)) if not model.check(body(made_)) else [("", "", made_)])
    )
    for issue in model.check(body(broken), duplicates=True):
        assert SECRET not in "".join(issue.as_dict().values()), kind


HOSTILE = (
    SECRET,
    f'"{SECRET}"',
    f'{{"{SECRET}":1,"{SECRET}":2}}',
    f'{{"resourceType":"{SECRET}"}}',
    f'{{"resourceType":"Patient","{SECRET}',
)


@pytest.mark.parametrize("sent", [*UNREADABLE.values(), *(each.encode() for each in HOSTILE)])
def test_no_issue_of_hostile_bytes_tells_a_value(sent):
    assert SECRET not in str(model.check(sent, duplicates=True))


# The official examples


@pytest.fixture(scope="module")
def examples(shared) -> dict[str, bytes]:
    """The official R4 examples by file name."""
    return {path.name: path.read_bytes() for path in sorted((shared / "data" / "fhir-r4-examples").glob("*.json"))}


@pytest.mark.corpora
def test_no_official_example_is_refused(examples):
    assert len(examples) > 400
    assert {name: issues for name, sent in examples.items() if (issues := model.check(sent, duplicates=True))} == {}


@pytest.mark.corpora
def test_no_whole_life_of_synthea_is_refused(shared):
    lives = sorted((shared / "data" / "synthea-r4" / "bundles").glob("*.json"))[:6]
    assert len(lives) == 6 and {path.name: issues for path in lives if (issues := model.check(path.read_bytes()))} == {}


@pytest.mark.corpora
def test_broken_official_examples_are_refused(examples):
    made_, refused = Counter(), Counter()
    for number, sent in enumerate(examples.values()):
        for kind, _, mutant in mutants(json.loads(sent), seed=number):
            made_[kind] += 1
            refused[kind] += bool(model.check(body(mutant)))
    for kind, count in sorted(made_.items(), key=lambda each: refused[each[0]] / each[1]):
        print(f"{refused[kind] / count:7.1%} of {count:4} {kind}")
    print(f"{refused.total() / made_.total():7.1%} of {made_.total():4} single faults")
    assert set(made_) >= set(FAULTS) - {"an oid that is none"}
    assert refused.total() / made_.total() >= 0.95 and all(refused[kind] / made_[kind] >= 0.85 for kind in made_)


@pytest.mark.parametrize("text", ['" in quotes', "\nA line", " a space", "x" * 70_000, "a\x7fb"])
def test_a_decimal_beside_words_of_any_kind_is_a_number(text):
    quantity = {"value": Decimal("120.000"), "unit": "mm[Hg]"}
    result = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "a"}}
    result |= {"note": [{"text": text}], "valueQuantity": quantity}
    sent = encode(result)
    assert model.check_resource(result, sent) == model.check(sent)

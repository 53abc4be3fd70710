"""k-anonymity: every crowd that leaves has k people, whatever the counts; each step of a Patient is its facts' step."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.fhir import model
from gateway.nhs.pseudonym import Pseudonymiser, crowds, policy

FACTS = st.tuples(
    st.sampled_from(["1950", "1951", "1964", "masked", ""]),
    st.sampled_from(["male", "female", ""]),
    st.sampled_from(["LS1", "LS2", ""]),
    st.sampled_from(["A", "C3", ""]),
    st.sampled_from(["2024", "2023-02", "yes", ""]),
)
PATIENT = {
    "resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950", "deceasedDateTime": "2024",
    "address": [{"postalCode": "LS1"}],
    "extension": [{"url": crowds.ETHNICITY, "valueCodeableConcept": {"coding": [{"system": "s", "code": "A"}]}}],
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(FACTS, max_size=60), st.integers(2, 6))
@pytest.mark.hazard("HZ-EXPORT-32")
def test_every_crowd_that_leaves_has_k_people_and_fewer_than_k_of_a_kind_are_left_out(people, k):
    decided = crowds.crowds(Counter(people), k)
    steps = {about: decided.step(about) for about in people}
    seen = Counter((step, crowds.at(about, step)) for about in people if (step := steps[about]) is not None)
    assert all(count >= k for count in seen.values())
    left_out = Counter(crowds.at(about, crowds.LAST) for about in people if steps[about] is None)
    assert all(count < k for count in left_out.values())
    assert decided == crowds.crowds(Counter(reversed(people)), k), "the order of the people decides nothing"


@settings(max_examples=50, deadline=None)
@given(FACTS, st.integers(0, crowds.LAST), st.integers(0, crowds.LAST))
def test_steps_are_taken_one_after_another(about, first, second):
    assert crowds.at(crowds.at(about, first), second) == crowds.at(about, max(first, second))


@pytest.mark.parametrize("step", range(crowds.LAST + 1))
@pytest.mark.parametrize("born", [{"birthDate": "1950"}, {"_birthDate": {"extension": []}, "birthDate": None}, {}])
def test_a_patient_after_a_step_tells_the_facts_of_that_step_and_is_r4(step, born):
    patient = {name: value for name, value in {**PATIENT, "birthDate": None, **born}.items() if value is not None}
    line = msgspec.json.encode(patient)
    if "_birthDate" in patient:
        line = line.replace(b'{"extension":[]}', crowds.MASKED)
    coarse = crowds.coarser(line, step)
    about = crowds.at(crowds.facts([line]), step)
    assert crowds.facts([coarse])[1:] == about[1:]
    assert crowds.facts([coarse])[0] == (about[0] or ("masked" if born else ""))
    assert (b'"birthDate":"1950"' in coarse) == (born.get("birthDate") == "1950" and step == 0)
    assert (crowds.DECADE.encode() in coarse) == (born.get("birthDate") == "1950" and 0 < step < 5)
    assert not model.check(coarse), model.check(coarse)
    if step == crowds.LAST:
        assert about == ("masked", "masked", "masked", "masked", "yes")


def test_what_is_taken_away_says_that_it_is_masked():
    bare = msgspec.json.decode(crowds.coarser(msgspec.json.encode(PATIENT), crowds.LAST))
    masked = msgspec.json.decode(crowds.MASKED)
    assert bare["_gender"] == bare["_birthDate"] == bare["address"][0]["_postalCode"] == masked
    assert bare["extension"] == [{"url": crowds.ETHNICITY, "valueCodeableConcept": masked}]
    assert bare["deceasedBoolean"] is True and "deceasedDateTime" not in bare
    unsaid = msgspec.json.decode(crowds.coarser(b'{"resourceType":"Patient"}', crowds.LAST))
    del bare["deceasedBoolean"]
    assert unsaid == {name: value for name, value in bare.items() if name in unsaid}
    assert unsaid.keys() == {"resourceType", "_birthDate", "_gender", "address", "extension"}, (
        "who had none looks alike"
    )


@pytest.mark.parametrize("step", range(crowds.LAST + 1))
def test_who_is_said_to_live_is_not_counted_with_those_of_whom_nothing_is_said(step):
    said, unsaid = b'{"resourceType":"Patient","deceasedBoolean":false}', b'{"resourceType":"Patient"}'
    is_alike = crowds.at(crowds.facts([said]), step) == crowds.at(crowds.facts([unsaid]), step)
    assert is_alike == (crowds.coarser(said, step) == crowds.coarser(unsaid, step)) == (step >= 4)


def test_several_patients_of_a_person_tell_all_that_each_tells():
    both = [b'{"birthDate":"1950","gender":"male"}', b'{"birthDate":"1951","gender":"male","_deceasedDateTime":{}}']
    assert crowds.facts(both) == ("1950+1951", "male", "", "", "masked")
    assert crowds.facts([]) == ("",) * len(crowds.QUASI_IDENTIFIERS)


def test_an_element_of_a_patient_that_nobody_declared_stops_the_profile():
    with pytest.raises(Refused, match="not declared"):
        policy.compile_tables({"Patient": {"extension:urn:shoe-size": "code-only"}})


def test_codes_of_statuses_and_units_are_not_counted():
    systems = (*crowds.STATUS_SYSTEMS, "http://snomed.info/sct")
    written = msgspec.json.encode({"coding": [{"system": system, "code": "x"} for system in systems]})
    assert crowds.codes(written) == {"http://snomed.info/sct x"}


def test_who_would_not_leave_is_not_counted_and_rare_codes_of_others_are_masked():
    key = bytes(range(32))
    retired = b'{"resourceType":"Patient","id":"a","link":[{"type":"replaced-by","other":{"reference":"Patient/z"}}]}'
    assert Pseudonymiser("minimal", "in-sde", key).held("x", [("Patient", "a", retired)]) is None
    written = {
        "resourceType": "Encounter", "id": "e", "status": "finished", "subject": {"reference": "Patient/p"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "271649006"}]}],
        "diagnosis": [{"condition": {"reference": "Encounter/e"}, "use": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/diagnosis-role", "code": "AD"}]}}],
    }  # fmt: skip
    resources = [("Patient", "p", msgspec.json.encode(PATIENT)), ("Encounter", "e", msgspec.json.encode(written))]
    patients, held = Pseudonymiser("sde-research", "in-sde", key).held("x", resources)
    assert crowds.facts(patients)[1] == "female"
    assert {code.split()[1] for code in held} == {"IMP", "271649006", "AD"}
    rare = Pseudonymiser("sde-research", "in-sde", key, common=held - {"http://snomed.info/sct 271649006"})
    (_, patient), (_, encounter) = rare.person("x", resources)
    assert b"271649006" not in encounter and b"IMP" in encounter and b'"AD"' in encounter
    assert rare.dropped["Encounter.reasonCode.coding: held by few people"] == 1
    assert rare.dropped_people["Encounter.reasonCode.coding: held by few people"] == 1

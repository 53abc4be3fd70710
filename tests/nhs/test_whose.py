"""What is about nobody, or about somebody by one name among several, shows no other patient."""

import pytest

from gateway.errors import Invalid
from gateway.intake.mapping import Context, prepare
from gateway.nhs import labels, links, whose
from gateway.nhs.codesets import CodeSets
from mappings import Feed
from tests.api.people import EVERYTHING, PRACTITIONER, encounter, to
from tests.toy import source

P2 = to("Patient", 2)
SLOT, SCHEDULE, APPOINTMENT, PROVENANCE = (EVERYTHING[type_] for type_ in ("Slot", "Schedule", "Appointment", "Provenance"))  # fmt: skip
WITHIN = {"resourceType": "Patient", "id": "p"}
TWO = [*APPOINTMENT["participant"], {"actor": P2, "status": "accepted"}]
FAULTS = [
    ({**SLOT, "comment": "Mrs Quill, dressing"}, "Slot.comment: words that may name a patient"),
    ({**SLOT, "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}, "Slot.text: words that may name a patient"),
    ({**SCHEDULE, "comment": "x"}, "Schedule.comment: words that may name a patient"),
    ({**SCHEDULE, "actor": [P2]}, "Schedule: a reference to a patient"),
    ({**SLOT, "extension": [{"url": "x", "valueReference": P2}]}, "Slot: a reference to a patient"),
    ({**EVERYTHING["Location"], "extension": [{"url": "x", "valueReference": {"type": "Patient"}}]},
     "Location: a reference to a patient"),
    ({**APPOINTMENT, "participant": TWO}, "Appointment.participant.actor: several patients"),
    ({**SCHEDULE, "contained": [WITHIN], "actor": [{"reference": "#p"}]}, "Schedule: a reference to a patient"),
    (
        {**APPOINTMENT, "participant": [*APPOINTMENT["participant"], {"actor": {"type": "Patient", "identifier": {"value": "1"}}, "status": "accepted"}]},
        "Appointment.participant.actor: several patients",
    ),
    (
        {**APPOINTMENT, "contained": [WITHIN], "participant": [*APPOINTMENT["participant"], {"actor": {"reference": "#p"}, "status": "accepted"}]},
        "Appointment.contained: a patient",
    ),
    ({**PROVENANCE, "target": [to("Patient", 1), P2]}, "Provenance.target: several patients"),
]  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-28")
@pytest.mark.parametrize("resource, fault", FAULTS, ids=[f"{n} {fault}" for n, (_, fault) in enumerate(FAULTS)])
def test_what_would_show_one_patient_in_what_is_anothers_is_never_stored(resource, fault):
    context = Context(source([]), Feed(), b"", {}, CodeSets())
    with pytest.raises(Invalid, match=f"^{fault}$"):
        prepare({"meta": {"versionId": "1"}, **resource}, context, 1, "gp", "share")


@pytest.mark.parametrize("resource", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_what_names_one_patient_or_none_is_stored(resource):
    assert not whose.fault(resource)
    assert not whose.fault({**APPOINTMENT, "participant": [*APPOINTMENT["participant"]] * 2})


@pytest.mark.hazard("HZ-ACCESS-29")
@pytest.mark.parametrize("flag", ["CONFIDENTIAL", "SENSITIVE", "LEGAL", "UNCLASSIFIED", "SERVICE"])
def test_provenance_is_hidden_with_its_target_at_any_distance(flag):
    """The observation is hidden for its encounter, and its Provenance for the observation."""
    seen = {
        "resourceType": "Observation",
        "id": "o",
        "subject": to("Patient", 1),
        "encounter": {"reference": "Encounter/e"},
    }
    of = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "Observation/o"}, to("Patient", 1)]}
    items = [(1, {**encounter(1, 1), "id": "e"}, getattr(labels, flag)), (2, seen, 0), (3, of, 0)]
    derived = {key: {} for key, _, _ in items}
    links.spread(items, derived)
    assert derived[2] and derived[3].keys() >= derived[2].keys() - {labels.BLANKED}
    assert labels.HIDDEN_FROM_OTHERS & sum(derived[3])
    links.spread([(key, item, 0) for key, item, _ in items], plain := {key: {} for key, _, _ in items})
    assert not any(plain.values())


def test_the_provenance_of_a_flagged_course_of_a_medicine_is_hidden():
    plan = {"resourceType": "MedicationRequest", "id": "plan"}
    issue = {"resourceType": "MedicationRequest", "id": "issue", "basedOn": [{"reference": "MedicationRequest/plan"}]}
    of = {
        "resourceType": "Provenance",
        "id": "p",
        "agent": [{"who": PRACTITIONER}],
        "target": [{"reference": "MedicationRequest/issue"}],
    }
    items = [(1, plan, labels.CONFIDENTIAL), (2, issue, 0), (3, of, 0)]
    derived = {key: {} for key, _, _ in items}
    links.spread(items, derived)
    assert labels.LINKED in derived[3]

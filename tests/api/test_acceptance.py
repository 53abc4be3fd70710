"""Lines of the acceptance list that no other test asks; ``tests/acceptance.csv`` names the test of each line."""

import pytest

from tests.api.conftest import Api
from tests.api.people import AMY, ANN, HL7, SETS, coded, encounter, observation, to, uid
from tests.nhs.records import plan
from tests.toy import deliver, resource, row, says

EGTON = "https://fhir.hl7.org.uk/Id/egton-codes"
P, VISIT = to("Patient", 1), to("Encounter", 700)
WORDS = ("Zebrafish", "gonadotrophin", "EMISSENS2", "Quagga")
"""The withheld concept's words and code, those of a result of the same visit, and those of the letter about it."""
TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Zebrafish</div>'}
CONCEPT = {"coding": [{"system": EGTON, "code": "EMISSENS2", "display": "Zebrafish"}], "text": "Zebrafish"}
WHY = {"coding": [{"system": EGTON, "code": "EMISSENS2"}], "text": "Zebrafish"}
WITHHELD = (
    encounter(700, 1, reasonCode=[WHY], period={"start": "2024-05-04"}),
    resource("Condition", uid(701), code=CONCEPT, subject=P, encounter=VISIT, text=TEXT, clinicalStatus=coded("active", HL7 + "condition-clinical")),
    {**observation(702, 1, "h", encounter=VISIT, effectiveDateTime="2024-05-04"), "code": {"text": "Serum chorionic gonadotrophin"}},
    resource("DiagnosticReport", uid(703), status="final", code={"text": "gonadotrophin"}, subject=P, encounter=VISIT, result=[to("Observation", 702)]),
    resource("Procedure", uid(704), status="completed", code={"text": "Zebrafish"}, subject=P, encounter=VISIT, reasonReference=[to("Condition", 701)]),
    resource("ServiceRequest", uid(705), status="active", intent="order", code={"text": "gonadotrophin"}, subject=P, encounter=VISIT),
    resource("DocumentReference", uid(706), status="current", subject=P, description="Quagga", context={"encounter": [VISIT]},
             content=[{"attachment": {"contentType": "text/plain", "data": "UXVhZ2dh", "title": "Quagga"}}]),
    {**plan(uid(707), "Doxycycline", subject=P, encounter=VISIT), "reasonReference": [to("Condition", 701)], "reasonCode": [CONCEPT]},
)  # fmt: skip
HELD = ("Encounter", "Condition", "Observation", "DiagnosticReport", "Procedure", "ServiceRequest", "DocumentReference", "MedicationRequest")  # fmt: skip


def all_bytes(api: Api, user: str) -> str:
    """Everything that a caller is answered of Ann: searches, counts, documents in each form, all that is held."""
    asked = [f"/fhir/{type_}?patient={uid(1)}&_total=accurate&_revinclude=Provenance:target" for type_ in HELD]
    asked += [f"/fhir/{type_}?patient={uid(1)}&_summary=text" for type_ in HELD]
    asked += [f"/fhir/{resource_['resourceType']}/{resource_['id']}" for resource_ in WITHHELD]
    asked += [
        f"/fhir/Patient/{uid(1)}/$everything",
        f"/fhir/DocumentReference/$docref?patient={uid(1)}",
        f"/record/{uid(1)}",
    ]
    asked += [f"/fhir/Patient/$summary?identifier={ANN}&view={view}&_format={form}"
              for view in ("shared", "summary") for form in ("json", "xml", "html")]  # fmt: skip
    asked += [f"/fhir/Binary/{uid(706)}", f"/fhir/Binary/{uid(706)}-0"]
    return "\n".join(api.get(path, user).text for path in asked)


@pytest.fixture(scope="module")
def withheld(ward) -> Api:
    """Ann's visit for a sensitive reason, and what was found, done, asked for, written and prescribed in it."""
    deliver(ward.store, [row("withheld", *WITHHELD)], SETS)
    assert ward.permit(ANN, "dr-ward").status_code == 201
    return ward


def test_a_withheld_concept_is_mentioned_in_no_byte(withheld):
    """Its code, its words, the result and the letter of its visit. Its medicine is shown, and not why it is taken."""
    own, shown = all_bytes(withheld, "dr-green"), all_bytes(withheld, "dr-ward")
    assert [word for word in (*WORDS, "Doxycycline") if word not in own] == [], "its practice sees it all"
    assert [word for word in WORDS if word.lower() in shown.lower()] == []
    assert [number for number in range(700, 707) if uid(number) in shown.replace("OperationOutcome", "")] == []
    assert "Doxycycline" in shown


def test_of_a_practice_that_gives_nothing_allergies_are_unavailable_and_never_none(ward):
    """Amy is on the ward; her practice switched its sharing off."""
    assert ward.permit(AMY, "dr-ward").status_code == 201
    deliver(ward.store, [says("P2", 2, state="withheld")], SETS)
    answer = ward.get(f"/fhir/Patient/$summary?identifier={AMY}", "dr-ward")
    sections = {section["title"]: section for section in answer.json()["entry"][0]["resource"]["section"]}
    allergies = sections["Allergies and adverse reactions"]
    assert answer.status_code == 200 and allergies["emptyReason"]["coding"][0]["code"] == "unavailable"
    page = ward.get(f"/fhir/Patient/$summary?identifier={AMY}&_format=html", "dr-ward")
    assert page.status_code == 200 and "no GP record is part of this page" in page.text
    for text in (answer.text, page.text):
        assert "no known allerg" not in text.lower() and "716186003" not in text

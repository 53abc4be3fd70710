"""Four invented people in a practice, another practice and a trust, and one resource of each type that holds every
element searched by."""

from decimal import Decimal

from gateway.fhir.codes import NHS_NUMBER, SNOMED
from gateway.store.database import Store
from gateway.terminology import sets
from tests.toy import deliver, resource, row, says

SETS = sets.load(sandbox=True)
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
HL7 = "http://terminology.hl7.org/CodeSystem/"
OBJECTS = "416409005"
ANN, ABE, AMY, NOBODY, ODD = "9990000018", "9990000026", "9990000034", "9990000042", "9990000050"
"""Ann: registered here, on the trust's ward. Abe: registered here, on the ward, objects to sharing. Amy: the other
practice's, and on the ward. Nobody: no record. Odd: on the ward, restricted by the practice."""


def uid(number: int) -> str:
    return f"{number:08d}-0000-5000-8000-000000000000"


def to(type_: str, number: int) -> dict:
    return {"reference": f"{type_}/{uid(number)}"}


def coded(code: str, system: str = "urn:test:codes") -> dict:
    return {"coding": [{"system": system, "code": code}]}


def patient(id_: int, number: str, family: str, given: str, born: str = "1980-02-29", **elements) -> dict:
    verified = [{"url": STATUS, "valueCodeableConcept": {"coding": [{"code": "01"}]}}]
    return resource(
        "Patient", uid(id_), identifier=[{"extension": verified, "system": NHS_NUMBER, "value": number}],
        name=[{"family": family, "given": [given]}], birthDate=born, **elements,
    )  # fmt: skip


def registered(id_: int, patient_: int) -> dict:
    return resource("EpisodeOfCare", uid(id_), status="active", type=[coded("R")], patient=to("Patient", patient_))


def on_the_ward(id_: int, patient_: int) -> dict:
    class_ = {"system": HL7 + "v3-ActCode", "code": "IMP"}
    return resource("Encounter", uid(id_), status="in-progress", class_=class_, subject=to("Patient", patient_))


def observation(id_: int, patient_: int, code: str = "x", **elements) -> dict:
    return resource(
        "Observation", uid(id_), status="final", code=coded(code, SNOMED), subject=to("Patient", patient_), **elements
    )


def encounter(id_: int, patient_: int, **elements) -> dict:
    class_ = {"system": HL7 + "v3-ActCode", "code": "AMB"}
    return resource(
        "Encounter", uid(id_), status="finished", class_=class_, subject=to("Patient", patient_), **elements
    )


def people() -> list:
    """The practice's rows and the other practice's."""
    return [
        says("P1", 1, ods="A99001", name="Quillbank Surgery"), says("P2", 1, ods="A99002"),
        row("ann", patient(1, ANN, "Ames", "Ann", gender="female"), registered(2, 1)),
        row("ann-obs", observation(3, 1, valueQuantity={"value": Decimal("5.10"), "unit": "mmol/L"}, effectiveDateTime="2024-05-04")),
        row("abe", patient(11, ABE, "Ames", "Abe"), registered(12, 11), observation(13, 11, OBJECTS, effectiveDateTime="2020-01-01")),
        row("odd", patient(41, ODD, "Odder", "Oda"), registered(42, 41), observation(43, 41)),
        row("amy", patient(21, AMY, "Ames", "Amy"), registered(22, 21), observation(23, 21), publisher="P2"),
    ]  # fmt: skip


def ward() -> list:
    """The trust's rows: Ann, Abe, Amy and Odd are on its ward."""
    return [
        says("T", 1, ods="RZZ", name="Vellshire Hospital"),
        row("ann", patient(31, ANN, "Ames", "Ann"), on_the_ward(33, 31), publisher="T"),
        row("abe", patient(32, ABE, "Ames", "Abe"), on_the_ward(34, 32), publisher="T"),
        row("amy", patient(35, AMY, "Ames", "Amy"), on_the_ward(36, 35), publisher="T"),
        row("odd", patient(37, ODD, "Odder", "Oda"), on_the_ward(38, 37), publisher="T"),
    ]


def fill(store: Store) -> None:
    """Load everybody; then Odd is restricted by a flag that arrives late."""
    deliver(store, people(), SETS)
    deliver(store, ward(), SETS, name="trust", kind="hospital")
    odd = patient(41, ODD, "Odder", "Oda", security=["S"])
    deliver(store, [row("odd", odd, registered(42, 41), observation(43, 41), order=2)], SETS)


P, E, ORG, PRACTITIONER, ROLE = (
    to("Patient", 1),
    to("Encounter", 107),
    to("Organization", 116),
    to("Practitioner", 117),
    to("PractitionerRole", 118),
)


def _held(type_: str, number: int, **elements) -> dict:
    named = {name.rstrip("_"): value for name, value in elements.items()}
    return resource(type_, uid(number), identifier=[{"system": "urn:test:ids", "value": f"id-{number}"}], **named)


EVERYTHING = {
    each["resourceType"]: each
    for each in (
        _held("AllergyIntolerance", 101, clinicalStatus=coded("active", HL7 + "allergyintolerance-clinical"), category=["medication"],
              code=coded("c101"), patient=P, recordedDate="2021-05-04"),
        _held("Condition", 102, clinicalStatus=coded("active", HL7 + "condition-clinical"),
              category=[coded("problem-list-item", HL7 + "condition-category")], code=coded("c102"), subject=P, encounter=E,
              onsetDateTime="2021-05-04", recordedDate="2022-06-07"),
        _held("MedicationRequest", 103, status="active", intent="order", category=[coded("k103")], medicationCodeableConcept=coded("c103"), subject=P,
              encounter=E, authoredOn="2021-05-04", requester=PRACTITIONER),
        _held("MedicationStatement", 104, status="active", category=coded("k104"), medicationCodeableConcept=coded("c104"), subject=P,
              effectivePeriod={"start": "2021-05-04", "end": "2021-05-05"}),
        _held("Observation", 105, status="final", category=[coded("k105")], code=coded("c105"), subject=P, encounter=E,
              effectiveDateTime="2021-05-04T10:00:00+01:00", performer=[ROLE]),
        _held("DiagnosticReport", 106, status="final", category=[coded("k106")], code=coded("c106"), subject=P, encounter=E,
              effectiveDateTime="2021-05-04", issued="2022-06-07T10:00:00Z", performer=[ORG], result=[to("Observation", 105)]),
        _held("Encounter", 107, status="finished", class_={"system": HL7 + "v3-ActCode", "code": "AMB"}, type=[coded("t107")], subject=P,
              period={"start": "2021-05-04", "end": "2021-05-05"}, serviceProvider=ORG),
        _held("Procedure", 108, status="completed", category=coded("k108"), code=coded("c108"), subject=P, encounter=E,
              performedDateTime="2021-05-04", performer=[{"actor": PRACTITIONER}]),
        _held("Immunization", 109, status="completed", vaccineCode=coded("v109"), patient=P, occurrenceDateTime="2021-05-04",
              performer=[{"actor": PRACTITIONER}]),
        _held("EpisodeOfCare", 110, status="finished", type=[coded("t110")], patient=P, managingOrganization=ORG,
              period={"start": "2021-05-04", "end": "2021-05-05"}),
        _held("ServiceRequest", 111, status="completed", intent="order", category=[coded("k111")], code=coded("c111"), subject=P, encounter=E,
              authoredOn="2021-05-04", requester=PRACTITIONER, performer=[ORG]),
        _held("Task", 112, status="requested", intent="order", code=coded("c112"), for_=P, encounter=E, authoredOn="2021-05-04",
              requester=ORG, executionPeriod={"start": "2022-06-07", "end": "2022-06-08"}),
        _held("Flag", 113, status="active", code=coded("c113"), subject=P, encounter=E, period={"start": "2021-05-04", "end": "2021-05-05"},
              author=PRACTITIONER),
        _held("Consent", 114, status="active", scope=coded("patient-privacy", HL7 + "consentscope"), category=[coded("k114")], patient=P,
              dateTime="2021-05-04", policyRule=coded("OPTIN", HL7 + "v3-ActCode")),
        _held("FamilyMemberHistory", 120, status="completed", patient=P, date="2021-05-04", relationship=coded("r120"),
              condition=[{"code": coded("c120")}]),
        _held("Specimen", 121, status="available", type=coded("t121"), subject=P, receivedTime="2021-05-04"),
        _held("DocumentReference", 122, status="current", docStatus="final", type=coded("t122"), category=[coded("k122")], subject=P,
              date="2021-05-04T10:00:00Z", author=[PRACTITIONER], content=[{"attachment": {"contentType": "text/plain", "data": "TGV0dGVy"}}],
              context={"encounter": [E]}),
        _held("Organization", 116, name="Wéllshire Office", type=[coded("t116")]),
        _held("Practitioner", 117, name=[{"family": "Quill-Stone", "given": ["Idris"]}]),
        _held("PractitionerRole", 118, practitioner=PRACTITIONER, organization=ORG),
        _held("Location", 119, status="active", name="North Ward"),
        resource("Patient", uid(1), identifier=[{"system": NHS_NUMBER, "value": ANN}, {"system": "urn:test:ids", "value": "id-1"}],
                 name=[{"family": "Ames", "given": ["Ann"]}], gender="female", birthDate="1980-02-29", managingOrganization=ORG),
    )
}  # fmt: skip
"""One resource of each type, with every element of the table of parameters."""


def fill_everything(store: Store) -> None:
    """Ann, registered, with one resource of each type, and a dozen more observations on as many days and on none."""
    deliver(store, [
        says("P1", 1, ods="A99001"),
        row("everything", *EVERYTHING.values(), registered(2, 1)),
        *(row(f"day{n}", observation(200 + n, 1, "daily", **({"effectiveDateTime": f"2023-01-{n // 2 + 1:02d}"} if n < 10 else {})))
          for n in range(13)),
    ], SETS)  # fmt: skip

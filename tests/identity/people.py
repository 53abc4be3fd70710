"""Records of invented people at a practice and at a trust, as a test asks for them."""

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import roles, sandbox
from tests.toy import deliver, resource, row, says

GREEN = roles.caller_from_claims(sandbox.claims("dr-green"))
A, B, C, D = "9990000018", "9990000026", "9990000034", "9990000042"
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
TRUST = "RZZ"


def uid(number: int) -> str:
    return f"{number:08d}-0000-5000-8000-000000000000"


def patient(id_: int, *numbers: str, family="Fernsby", given="Ann", born="1980-02-03", gender="female",
            postcode="ZE1 0AA", verified=False, **elements) -> dict:  # fmt: skip
    status = [{"url": STATUS, "valueCodeableConcept": {"coding": [{"code": "01"}]}}]
    extension = {"extension": status} if verified else {}
    address = {"address": [{"postalCode": postcode}]} if postcode else {}
    return resource(
        "Patient", uid(id_), identifier=[{**extension, "system": NHS_NUMBER, "value": number} for number in numbers],
        name=[{"family": family, "given": [given]}], birthDate=born, gender=gender, **address, **elements,
    )  # fmt: skip


def registered(id_: int, of: int) -> dict:
    return resource(
        "EpisodeOfCare", uid(id_), status="active", type=[{"coding": [{"code": "R"}]}],
        patient={"reference": f"Patient/{uid(of)}"},
    )  # fmt: skip


def observation(id_: int, of: int) -> dict:
    return resource(
        "Observation", uid(id_), status="final", code={"text": "a result"},
        subject={"reference": f"Patient/{uid(of)}"},
    )  # fmt: skip


def at_the_practice(store, *people: dict, order: int = 1) -> None:
    """Deliver Patients with an observation each (its id is theirs and 100), all regularly registered (and 50)."""
    rows = [
        row(person["id"], person, registered(int(person["id"][:8]) + 50, int(person["id"][:8])),
            observation(int(person["id"][:8]) + 100, int(person["id"][:8])), order=order)
        for person in people
    ]  # fmt: skip
    deliver(store, [says("P1", order, ods=GREEN.organisation), *rows])


def at_the_trust(store, *people: dict, order: int = 1) -> None:
    """Deliver Patients with an observation each (its id is theirs and 100)."""
    rows = [
        row(person["id"], person, observation(int(person["id"][:8]) + 100, int(person["id"][:8])), publisher="T",
            order=order)
        for person in people
    ]  # fmt: skip
    deliver(store, [says("T", order, ods=TRUST), *rows], name="trust", kind="hospital")

"""Who is on the list of an organisation, its caseload: the people with whom it has a relationship now.

A list is decided person by person, by the facts that any read of the person is decided by. It is never wider: whoever
may not be shown to the caller is not on it. It depends on nothing but what the organisation itself recorded and on what
would refuse a read, so that joining it or leaving it tells nothing that another organisation holds.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.codes import ODS
from gateway.nhs.decision import Act, Decision, PatientFact

ACT = Act("caseload", "Group")
"""What is asked of policy for the list, and for whatever is asked across it."""
MOST_MEMBERS, MOST_ASKED = 200, 2000
"""People on a list, and people with open care who are asked about to make it. A longer list is refused, not cut. Nobody
whom a decision refuses counts, so that neither border tells of somebody hidden."""


CRITERIA = ("_id", "identifier", "member", "type", "actual")
"""What the one Group there is for a caller can be searched by."""


def standing(decision: Decision) -> tuple[PatientFact, ...]:
    """The Patients of the caller's organisation by which a person is on its list; () for who is not.

    Those are its own, registered with it or attended to by it now. After a death that it, or PDS of its own record,
    confirms there is no relationship: another's word about it is another's record.
    """
    if decision.refusal is not None:
        return ()
    mine = decision.facts.own & decision.facts.active
    own = [patient for patient in decision.facts.patients if patient.publisher in mine]
    if any(patient.deceased for patient in own):
        return ()
    return tuple(patient for patient in own if patient.registered or patient.attending)


def group(id_: str, organisation: str, patients: list[str]) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/group.html

    The list of an organisation (its ODS code) as a resource. ``patients`` are the ids of its members.

    >>> group("g", "A99001", ["p"])["member"]
    [{'entity': {'reference': 'Patient/p'}}]
    """
    by = {"system": ODS, "value": organisation}
    members = [{"entity": {"reference": f"Patient/{patient}"}} for patient in patients]
    return {
        "resourceType": "Group", "id": id_, "identifier": [by], "active": True, "type": "person", "actual": True,
        "name": "Caseload: people with whom the organisation has a relationship now",
        "managingEntity": {"type": "Organization", "identifier": by}, "quantity": len(members),
        **({"member": members} if members else {}),
    }  # fmt: skip


def is_match(group: dict[str, Any], name: str, value: str) -> bool:
    """https://hl7.org/fhir/R4/group.html#search

    Whether the Group of an organisation has a criterion; it has any whose name is none of ``CRITERIA``.

    >>> is_match(group("g", "A99001", ["p"]), "member", "Patient/p")
    True
    """
    values = value.split(",")
    match name:
        case "_id":
            return group["id"] in values
        case "member":
            members = {member["entity"]["reference"] for member in group.get("member", ())}
            return not members.isdisjoint(f"Patient/{text.removeprefix('Patient/')}" for text in values)
        case "identifier":
            organisation = group["managingEntity"]["identifier"]["value"]
            return not {f"{ODS}|{organisation}", organisation}.isdisjoint(values)
        case "type":
            return "person" in (text.rpartition("|")[2] for text in values)
        case "actual":
            return value == "true"
    return True

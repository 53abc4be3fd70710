"""The sandbox's named users, invented, one for each kind of caller. The issuer of their tokens is refused outside a
sandbox."""

from __future__ import annotations

from typing import Any

from gateway.errors import Refused

PRACTICE, OTHER_PRACTICE, TRUST, COUNCIL = "A99001", "A99002", "RZZ", "990"
TESTER = "8A998"
"""The organisation of integration testers. What they write is their own publisher's."""


def _user(
    number: int, name: str, organisation: str, role_code: str, role_name: str, *activities: str
) -> dict[str, Any]:
    return {
        "sub": f"9999000000{number:02d}",
        "nhsid_useruid": f"9999000000{number:02d}",
        "name": name,
        "selected_roleid": f"1000000000{number:02d}",
        "nhsid_nrbac_roles": [
            {
                "person_roleid": f"1000000000{number:02d}",
                "org_code": organisation,
                "role_code": role_code,
                "role_name": role_name,
                "activity_codes": list(activities),
            }
        ],
    }


USERS: dict[str, dict[str, Any]] = {
    "dr-green": _user(1, "GREEN, Asha (Dr)", PRACTICE, "S8000:G8000:R8000", "Clinical Practitioner", "B0370", "B0380"),
    "dr-other": _user(
        2, "OTHER, Ben (Dr)", OTHER_PRACTICE, "S8000:G8000:R8000", "Clinical Practitioner", "B0370", "B0380"
    ),
    "nurse-ward": _user(3, "WARD, Chidi (Nurse)", TRUST, "S8000:G8000:R8001", "Nurse", "B0370", "B0360"),
    "dr-ward": _user(
        4, "WARD, Dana (Dr)", TRUST, "S8000:G8000:R8000", "Clinical Practitioner", "B0370", "B0380", "B0168", "B0082"
    ),
    "pharmacist": _user(5, "PILL, Eve (Ms)", TRUST, "S8000:G8000:R1290", "Pharmacist", "B0370", "B0360"),
    "social-worker": _user(6, "CARE, Femi (Mr)", COUNCIL, "S8001:G8002:R8014", "Social Worker", "B0370", "B0360"),
    "receptionist": _user(7, "DESK, Gita (Mrs)", PRACTICE, "S8001:G8002:R8009", "Receptionist", "B0264", "B0820"),
    "privacy-officer": _user(
        8, "GUARD, Hugh (Mr)", PRACTICE, "S8002:G8003:R0001", "Privacy Officer", "B0011", "B0015", "B0016"
    ),
    "student": _user(9, "LEARN, Ines (Miss)", TRUST, "S8000:G8000:R8004", "Healthcare Student", "B0370", "B0360"),
    "admin": _user(10, "ROOT, Jo (Mx)", TRUST, "S8001:G8005:R8015", "Systems Support", "B0062"),
    "no-role": {
        "sub": "999900000011",
        "nhsid_useruid": "999900000011",
        "name": "NEW, Kit (Mx)",
        "nhsid_nrbac_roles": [],
    },
    "researcher": {
        "sub": "researcher",
        "client_id": "researcher",
        "scope": "system/*.rs",
        "org_code": "8A999",
        "project": "demo",
    },
    "patient": {
        "sub": "patient",
        "name": "a patient",
        "nhs_number": "9990000018",
        "identity_proofing_level": "P9",
        "vot": "P9.Cp.Cd",
    },
    "tester": {"sub": "tester", "client_id": "tester", "scope": "system/*.cruds", "org_code": TESTER},
}
"""Claims in the shape CIS2 gives them (``nationalrbacaccess``, ``selectedrole``); activity codes as a token holds
them, not expanded. Those of ``patient`` are in the shape of NHS login."""


def staff() -> dict[str, str]:
    """The role of each named user who is a person with a role."""
    held = {user: next(iter(known.get("nhsid_nrbac_roles", ())), None) for user, known in USERS.items()}
    return {user: role["role_name"] for user, role in held.items() if role}


def people() -> dict[str, str]:
    """Whoever may sign in in a browser, by what they are: staff in their role, and a patient."""
    return {**staff(), **{user: "Patient" for user, known in USERS.items() if "nhs_number" in known}}


def practitioner(user: str) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/practitioner.html

    The Practitioner that stands for a named user."""
    known = USERS[user]
    identifier = {"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": known["nhsid_useruid"]}
    return {"resourceType": "Practitioner", "id": f"sandbox-{user}", "identifier": [identifier], "active": True,
            "name": [{"text": known["name"]}]}  # fmt: skip


def claims(user: str, project: str = "") -> dict[str, Any]:
    """Return the claims of a named user, a system client's bound to ``project``. Raises ``Refused`` naming the users
    there are."""
    if user not in USERS:
        raise Refused(f"no user of that name; there are {', '.join(USERS)}")
    named = dict(USERS[user])
    if project and "client_id" in named:
        named["project"] = project
    return named

"""Whose care an event is: a person's own, what they receive as an unpaid carer, or what is done for their carer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.cld import codes

SYSTEM = codes.URN + "received-as"
WORDS = {
    "carer": "Received as an unpaid carer; not care for the person's own needs",
    "cared-for": "Support for the person's unpaid carer; not care for the person's own needs",
}
"""Codes of the extension ``received-as``, with the words people read. A person's own care has none."""
SUPPORT_TO_CARER = "Social support: Support to unpaid carer"


def received_as(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the concept that says an event is not the person's own care, {} where it is.

    A carer's events are told by the client type; where it says nothing, also by the service and the support reason. A
    service user's service of a type or component for carers relieves the carer.

    >>> received_as({"Client Type": "Carer"})["coding"][0]["code"]
    'carer'
    >>> received_as({"Client Type": "Service user", "Service Component": "Unpaid carer respite"})["coding"][0]["code"]
    'cared-for'
    """
    client = values.get("Client Type", "")
    if "carer" in codes.fold(client):
        code = "carer"
    elif codes.clean("Client Type", client) == "Service user":
        code = "cared-for" if is_for_carers(values) else ""
    else:
        reason = codes.clean("Primary Support Reason", values.get("Primary Support Reason", ""))
        code = "carer" if is_for_carers(values) or reason == SUPPORT_TO_CARER else ""
    if not code:
        return {}
    return {"coding": [{"system": SYSTEM, "code": code, "display": WORDS[code]}], "text": WORDS[code]}


def is_for_carers(values: Mapping[str, str]) -> bool:
    """Whether the service is one of carers, by its type or component."""
    columns = ("Service Type", "Service Component")
    return any(
        "carer" in codes.fold(codes.clean(column, values.get(column, "")) or values.get(column, ""))
        for column in columns
    )

"""Whose a resource is, where that can go wrong: one that names several patients is nobody's to keep, and one that is
about nobody may name none, nor hold words in which somebody may stand."""

from __future__ import annotations

from typing import Any

from gateway.fhir import index, params

WORDS = dict.fromkeys(params.BOOK_TYPES, ("comment", "text"))
"""Elements of a type about nobody that people fill with names ("Mrs Quill, dressing"). They are never kept: whoever
sees the book is not asked about a patient."""


def fault(resource: dict[str, Any]) -> str:
    """The element by which a resource would show one patient in what is another's or nobody's, "" for none.

    >>> fault({"resourceType": "Slot", "comment": "x"})
    'Slot.comment: words that may name a patient'
    """
    name = resource["resourceType"]
    if name in params.WITHOUT_SUBJECT:
        element = params.subject(name)
        return f"{name}.{element}: several patients" if len(index.patients(resource, element)) > 1 else ""
    if name not in params.DIRECTORY_TYPES:
        return ""
    if words := next((element for element in WORDS.get(name, ()) if element in resource), ""):
        return f"{name}.{words}: words that may name a patient"
    return f"{name}: a reference to a patient" if _names_a_patient(resource) else ""


def _names_a_patient(value: object) -> bool:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and "Patient/" in reference or value.get("type") == "Patient":
            return True
        return any(_names_a_patient(inner) for inner in value.values())
    return isinstance(value, list) and any(_names_a_patient(inner) for inner in value)

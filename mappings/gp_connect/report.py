"""DiagnosticReport and Specimen."""

from __future__ import annotations

from typing import Any

from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.stu3 import Sent, extensions, value_of
from mappings.vocabulary import UK_CORE

NAMELESS = {"text": "Report without a code"}


def to_report(sent: Sent) -> list[dict[str, Any]]:
    """Return the DiagnosticReport. Its results are Observations of their own."""
    issued, said = sent.instant("issued")
    performers = [item.get("actor", item) for item in sent.many("performer")]
    report = sent.built(
        "DiagnosticReport",
        UK_CORE + "UKCore-DiagnosticReport",
        extension=sent.filed(),
        identifier=sent.identifiers(),
        basedOn=sent.many("basedOn"),
        status=sent.text("status") or "unknown",
        category=sent.many("category"),
        code=with_text(sent.one("code") or {}) or NAMELESS,
        subject=sent.subject(),
        encounter=sent.encounter(),
        **sent.choice("effective"),
        issued=issued,
        performer=performers,
        specimen=sent.many("specimen"),
        result=sent.many("result"),
        conclusion="\n".join(text for text in (sent.text("conclusion"), *(note["text"] for note in said)) if text),
        conclusionCode=[with_text(concept) for concept in sent.many("codedDiagnosis")],
        presentedForm=sent.many("presentedForm"),
    )
    return [report]


def to_specimen(sent: Sent) -> list[dict[str, Any]]:
    """Return the Specimen. R4 has no place for a quantity without a method but the collection's."""
    collection = {name: value for name, value in (sent.one("collection") or {}).items() if name != "extension"}
    fasting = fasting_status(sent)
    specimen = sent.built(
        "Specimen",
        UK_CORE + "UKCore-Specimen",
        extension=sent.filed(),
        identifier=sent.identifiers(),
        accessionIdentifier=sent.one("accessionIdentifier"),
        status=sent.text("status"),
        type=with_text(sent.one("type") or {}),
        subject=sent.subject(),
        receivedTime=sent.text("receivedTime"),
        parent=sent.many("parent"),
        request=sent.many("request"),
        collection={**collection, **fasting},
        note=sent.many("note"),
    )
    return [specimen]


def fasting_status(sent: Sent) -> dict[str, Any]:
    """Return whether the patient was fasting, which STU3 says in an extension of the collection and R4 has an element
    for; {} for nothing said."""
    for node in extensions(sent.said.get("collection") or {}, "FastingStatus"):
        if concept := value_of(node):
            return {"fastingStatusCodeableConcept": with_text(sent.converted(concept, "collection"))}
    return {}

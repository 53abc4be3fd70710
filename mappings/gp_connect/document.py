"""DocumentReference: a letter or another document of the record, by its description and address."""

from __future__ import annotations

import re
from typing import Any

from gateway.nhs.identifiers import is_valid
from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.stu3 import Sent, named, referred
from mappings.vocabulary import UK_CORE, UNKNOWN

_TEN_DIGITS = re.compile(r"(?<!\d)\d{10}(?!\d)")
HELD_ELSEWHERE = "Held by the practice: not in the data received"


def to_document(sent: Sent) -> list[dict[str, Any]]:
    """Return the DocumentReference. Its content is where the practice's system says, and is not fetched."""
    indexed, said = sent.instant("indexed")
    texts = [sent.text("description"), *(note["text"] for note in said)]
    document = sent.built(
        "DocumentReference",
        UK_CORE + "UKCore-DocumentReference",
        extension=sent.filed(),
        masterIdentifier=sent.one("masterIdentifier"),
        identifier=sent.identifiers(),
        status=sent.text("status"),
        _status=None if sent.text("status") else UNKNOWN,
        docStatus=sent.text("docStatus"),
        type=with_text(sent.one("type") or {}),
        category=[with_text(concept) for concept in sent.many("class")],
        subject=sent.subject(),
        date=indexed,
        author=sent.many("author"),
        authenticator=sent.one("authenticator"),
        custodian=sent.one("custodian"),
        relatesTo=sent.many("relatesTo"),
        description="\n".join(text for text in texts if text),
        securityLabel=sent.many("securityLabel"),
        content=contents(sent),
        context=context(sent),
    )
    return [document]


def contents(sent: Sent) -> list[dict[str, Any]]:
    """Return the attachments. STU3 says once when the document was made; R4 of each attachment."""
    created = sent.text("created")
    items = [
        {**item, "attachment": attachment({"creation": created, **item.get("attachment", {})}, sent)}
        for item in sent.many("content")
    ]
    return items or [{"attachment": {"creation": created, "title": HELD_ELSEWHERE}}]


def attachment(item: dict[str, Any], sent: Sent) -> dict[str, Any]:
    """Return an attachment without an address that holds an NHS number."""
    if any(is_valid(digits) for digits in _TEN_DIGITS.findall(str(item.get("url", "")))):
        sent.warn("content.attachment.url", "an address with an NHS number: left out")
        item = {name: value for name, value in item.items() if name != "url"}
    if item.keys() & {"url", "data", "title"}:
        return item
    return {**item, "title": HELD_ELSEWHERE}


def context(sent: Sent) -> dict[str, Any]:
    """Return the circumstances. R4 lets a document be of several consultations."""
    said = sent.one("context") or {}
    name, key = referred((sent.said.get("context") or {}).get("encounter"))
    known = sent.look.reference("Encounter", named(name, key)) if name == "Encounter" else sent.encounter("")
    related = [item.get("ref") or {"identifier": item.get("identifier")} for item in said.get("related", ())]
    return {**said, "encounter": [known] if known else [], "related": [item for item in related if item]}

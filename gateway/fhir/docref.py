"""Which of a person's documents ``$docref`` answers with, and how: with addresses instead of contents.

https://hl7.org/fhir/us/core/OperationDefinition-docref.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import dates
from gateway.fhir.subset import tagged

Resource = dict[str, Any]


def is_within(document: Resource, start: int | None, end: int | None) -> bool:
    """Whether a document is about care between two moments (µs UTC, half-open): by the period of the care, else by its
    own date. One that has neither is always: nothing says that it is not."""
    interval = care(document)
    if interval is None:
        return True
    low, high = interval
    return (start is None or high > start) and (end is None or low < end)


def care(document: Resource) -> tuple[int, int] | None:
    """The time of the care that a document is about, None where it does not say."""
    try:
        period = dates.period(document.get("context", {}).get("period", {}))
        return period or (dates.interval(document["date"]) if "date" in document else None)
    except Invalid:
        return None


def newest_first(moments: Sequence[int]) -> list[int]:
    """The places of documents in the order of an answer; of one moment, in the order of the store.

    >>> newest_first([3, 5, 5])
    [1, 2, 0]
    """
    return sorted(range(len(moments)), key=lambda place: -moments[place])


def referring(document: Resource, base: str) -> Resource:
    """The document with the address of each content that it holds, in place of it: a page of letters would be as large
    as all of them. ``base`` is the server's address."""
    contents = [
        {
            **content,
            "attachment": _addressed(content.get("attachment", {}), f"{base}/Binary/{binary_id(document, place)}"),
        }
        for place, content in enumerate(document.get("content", []))
    ]
    if contents == document.get("content", []):
        return document
    return tagged({**document, "content": contents})


def _addressed(attachment: Resource, url: str) -> Resource:
    data = decoded(attachment)
    if data is None:
        return attachment
    kept = {name: value for name, value in attachment.items() if name not in ("data", "_data")}
    digest = base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()
    return {**kept, "url": url, "size": len(data), "hash": digest}


def decoded(attachment: Resource) -> bytes | None:
    """The bytes that an attachment holds, None where it holds none that can be read."""
    try:
        return base64.b64decode(attachment["data"]) if "data" in attachment else None
    except (binascii.Error, ValueError):
        return None


def binary_id(document: Resource, place: int) -> str:
    """The id of the Binary that a document holds at a place: the document's, so that reading it is reading that."""
    return f"{document['id']}.{place}"

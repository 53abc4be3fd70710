"""JSON Patch on a resource, in bounds: a few operations can make a document of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import jsonpatch
import msgspec

from gateway.errors import Invalid, TooLarge, Unprocessable
from gateway.fhir import build, model
from gateway.fhir.issues import Issue

MEDIA = "application/json-patch+json"
MOST, LARGEST = 100, 1_000_000
"""Operations of one patch, and bytes of the resource between any two of them."""
MOST_SPENT = 20_000_000
"""Bytes that the patches of one request go through at most: each operation that may make a resource grow goes through
all of it."""
SHRINKING = frozenset({"test", "remove"})
FAULTS = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
)
"""What applying an operation raises that does not fit the resource."""


_decoder = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal)
"""As resources are decoded: a dose keeps its digits, and a test compares like with like."""


def operations(sent: bytes) -> list[dict[str, Any]]:
    """The operations of a body. Raises ``Invalid`` for what is no JSON Patch, ``TooLarge`` for too many."""
    try:
        listed = _decoder.decode(sent)
    except model.UNREADABLE:
        raise Invalid("body: a list of operations") from None
    if len(listed) > MOST:
        raise TooLarge("too many operations")
    return listed


def patched(resource: dict[str, Any], listed: Sequence[dict[str, Any]], spent: Counter[str]) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc6902

    The resource, which is changed in place, after all the operations. ``spent`` counts the bytes that the patches of
    one request have gone through. Raises ``Unprocessable`` naming the first operation that fails, ``TooLarge`` for a
    resource that grows too large and for too many that make it grow."""
    names = {name: resource.get(name) for name in ("resourceType", "id")}
    after: Any = resource
    _measure(after, spent)
    for number, operation in enumerate(listed):
        try:
            after = jsonpatch.JsonPatch([operation]).apply(after, in_place=True)
        except FAULTS:
            raise Unprocessable([Issue("error", "processing", f"[{number}]", "the operation fails")]) from None
        if operation.get("op") not in SHRINKING:
            _measure(after, spent)
    kept = after if isinstance(after, dict) else {}
    for name, before in names.items():
        if kept.get(name) != before:
            raise Unprocessable([Issue("error", "business-rule", name, "no patch changes it")])
    return kept


def _measure(resource: Any, spent: Counter[str]) -> None:
    body = build.encode(resource)
    spent["bytes"] += len(body)
    if len(body) > LARGEST:
        raise TooLarge("the resource grows too large")
    if spent["bytes"] > MOST_SPENT:
        raise TooLarge("too many operations on large resources")
    model.bound(body)

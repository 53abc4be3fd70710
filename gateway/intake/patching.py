"""JSON Patch on a resource, in bounds: a few operations can make a document of any size."""

from __future__ import annotations

from typing import Any

import jsonpatch
import msgspec

from gateway.errors import Invalid, TooLarge, Unprocessable
from gateway.fhir import build, model
from gateway.fhir.issues import Issue

MEDIA = "application/json-patch+json"
MOST, LARGEST = 100, 1_000_000
"""Operations of one patch, and bytes of the resource between any two of them."""
FAULTS = (
    jsonpatch.JsonPatchException,
    jsonpatch.JsonPointerException,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
)
"""What applying an operation raises that does not fit the resource."""


def operations(sent: bytes) -> list[dict[str, Any]]:
    """The operations of a body. Raises ``Invalid`` for what is no JSON Patch, ``TooLarge`` for too many."""
    try:
        listed = msgspec.json.decode(sent, type=list[dict[str, Any]], strict=True)
    except model.UNREADABLE:
        raise Invalid("body: a list of operations") from None
    if len(listed) > MOST:
        raise TooLarge("too many operations")
    return listed


def patched(resource: dict[str, Any], listed: list[dict[str, Any]]) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc6902

    The resource after all the operations. Raises ``Unprocessable`` naming the first that fails, ``TooLarge`` for a
    resource that grows too large."""
    after: Any = resource
    for number, operation in enumerate(listed):
        try:
            after = jsonpatch.JsonPatch([operation]).apply(after)
        except FAULTS:
            raise Unprocessable([Issue("error", "processing", f"[{number}]", "the operation fails")]) from None
        if len(body := build.encode(after)) > LARGEST:
            raise TooLarge("the resource grows too large")
        model.bound(body)
    kept = after if isinstance(after, dict) else {}
    for name in ("resourceType", "id"):
        if kept.get(name) != resource.get(name):
            raise Unprocessable([Issue("error", "business-rule", name, "no patch changes it")])
    return kept

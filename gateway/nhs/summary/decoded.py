"""A resource decoded for the sections: of an Observation, of which a person has the most, without what none of them
reads."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, TypedDict, cast

import msgspec

from gateway.fhir import build
from gateway.fhir.r4 import table

UNREAD = frozenset(
    {
        "identifier", "basedOn", "partOf", "subject", "focus", "encounter", "performer", "method", "device", "text",
        "implicitRules", "language",
    }
)  # fmt: skip
"""Elements of an Observation that no selection reads. They are a third of its bytes: what is not made of them need not
be thrown away. A document takes the resource as it is served, whole."""


class _Tags(TypedDict, total=False):
    tag: Any


def decoded(resource_type: str, body: bytes) -> dict[str, Any]:
    """The resource of these bytes as the sections read it.

    >>> decoded("Observation", b'{"resourceType":"Observation","status":"final","subject":{},"valueInteger":5}')
    {'resourceType': 'Observation', 'status': 'final', 'valueInteger': 5}
    """
    return _observations().decode(body) if resource_type == "Observation" else build.decode(body)


@lru_cache(maxsize=1)
def _observations() -> msgspec.json.Decoder[dict[str, Any]]:
    """What is not named here is skipped."""
    elements = [name for element in table.types()["Observation"].elements for name in element.names]
    wanted = [name for name in elements if name not in UNREAD]
    named = {"resourceType": Any, **{key: Any for name in wanted for key in (name, f"_{name}")}, "meta": _Tags}
    observation = TypedDict("observation", named, total=False)  # type: ignore[misc]
    return cast(msgspec.json.Decoder[dict[str, Any]], msgspec.json.Decoder(observation, float_hook=Decimal))

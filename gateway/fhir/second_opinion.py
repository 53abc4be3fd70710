"""What ``fhir.resources`` says of a resource: a second opinion, told beside our own.

It reads R4B, which for the types served here is R4. It decides nothing: where the two differ, a reader looks. It is
imported when it is first asked: its models take longer to load than the rest of the gateway.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any

from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

NAME = "fhir.resources"


def opinion(resource_type: str, body: bytes) -> list[Issue] | None:
    """https://pypi.org/project/fhir.resources/

    What it has against a resource, as information; None where it does not know the type. Its own words hold values, so
    only its places and kinds are told."""
    model = _model(resource_type)
    if model is None:
        return None
    try:
        model.model_validate_json(body)
    except ValueError as error:
        faults: list[dict[str, Any]] = getattr(error, "errors", list)()
        places = dict.fromkeys(_place(resource_type, fault["type"], fault["loc"]) for fault in faults)
        return [
            Issue("information", "processing", place, f"{NAME}: {kind}")
            for place, kind in places or {("", "refused"): 0}
        ]
    return []


@lru_cache(maxsize=256)
def _model(resource_type: str) -> Any:
    if resource_type not in table.resource_types():
        return None
    try:
        module = importlib.import_module(f"{NAME}.R4B.{resource_type.lower()}")
    except ModuleNotFoundError:  # a type that R4B left out
        return None
    return getattr(module, resource_type, None)


def _place(resource_type: str, kind: str, location: tuple[str | int, ...]) -> tuple[str, str]:
    """A place in the form of our own, and the kind of the fault. The name of an unknown element is what somebody sent,
    so it is left out.

    >>> _place("Patient", "string_type", ("name", 0, "family"))
    ('Patient.name[0].family', 'string type')
    """
    known = location[:-1] if kind == "extra_forbidden" else location
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in known)
    return resource_type + "".join(steps), kind.replace("_", " ")

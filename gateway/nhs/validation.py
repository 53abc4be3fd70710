"""Judges a resource as ``$validate`` does: R4, closely, then UK Core, then a second opinion. Nobody's record is looked
at.

An issue names a place, never a value.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.errors import Invalid
from gateway.fhir import build, model, scrutiny, second_opinion
from gateway.fhir.issues import Issue
from gateway.nhs import ukcore

MODES = frozenset({"create", "update", "delete"})
PLAIN = "http://hl7.org/fhir/StructureDefinition/"
FINE = Issue("information", "informational", "", "no faults")
OF_DELETION = Issue("information", "informational", "", "whether it may be deleted is decided when that is asked")


class _Parameter(msgspec.Struct):
    name: str = ""
    resource: msgspec.Raw = msgspec.Raw()
    valueCode: str = ""
    valueUri: str = ""
    valueCanonical: str = ""


class Asked(msgspec.Struct):
    """The Parameters of ``$validate``."""

    resourceType: str
    parameter: list[_Parameter] = []

    def value(self, name: str, *kinds: str) -> str:
        """The value of a parameter, "" where there is none. Raises ``Invalid`` for two that differ."""
        values = {
            value for item in self.parameter if item.name == name for kind in kinds if (value := getattr(item, kind))
        }
        if len(values) > 1:
            raise Invalid(f"parameter {name}: once")
        return values.pop() if values else ""

    def resource(self) -> bytes:
        """The bytes of the resource, as they were sent."""
        bodies = [bytes(item.resource) for item in self.parameter if item.name == "resource"]
        if len(bodies) > 1:
            raise Invalid("parameter resource: once")
        return bodies[0] if bodies else b""


_decoder = msgspec.json.Decoder(Asked)


def validated(resource_type: str, id_: str, body: bytes, mode: str = "", profile: str = "") -> list[Issue]:
    """https://hl7.org/fhir/R4/resource-operation-validate.html

    What is wrong with the resource of a body, which is the resource itself or Parameters that hold it; never nothing.
    Raises ``Invalid`` for a question that cannot be understood."""
    sent, mode, profile = _asked(resource_type, body, mode, profile)
    if mode and mode not in MODES:
        raise Invalid("parameter mode: create, update or delete")
    if mode == "delete":
        return [OF_DELETION]
    if not sent:
        raise Invalid("parameter resource: missing")
    issues = model.check(sent, duplicates=True)
    resource = _plain(sent)
    issues += _of_address(resource, resource_type, id_, mode)
    if not issues and resource:
        issues = [*scrutiny.scrutinise(resource), *_by_profile(resource, profile)]
    issues += second_opinion.opinion(resource_type, sent) or []
    return issues or [FINE]


def claimed(resource: dict[str, Any]) -> list[Issue]:
    """What is said by the profiles of UK Core that a resource names."""
    return ukcore.check_claimed(resource)


def claimed_and_second(resource: dict[str, Any]) -> list[Issue]:
    """The same, and what ``fhir.resources`` says."""
    type_ = str(resource["resourceType"])
    return [*claimed(resource), *(second_opinion.opinion(type_, build.encode(resource)) or [])]


def nothing(resource: dict[str, Any]) -> list[Issue]:
    """No closer look."""
    return []


def _asked(resource_type: str, body: bytes, mode: str, profile: str) -> tuple[bytes, str, str]:
    """The resource, the mode and the profile that a body and an address ask for."""
    if resource_type == "Parameters":
        return body, mode, profile
    try:
        asked = _decoder.decode(body)
    except model.UNREADABLE:
        return body, mode, profile
    if asked.resourceType != "Parameters":
        return body, mode, profile
    modes = asked.value("mode", "valueCode")
    profiles = asked.value("profile", "valueUri", "valueCanonical")
    if (mode and modes and mode != modes) or (profile and profiles and profile != profiles):
        raise Invalid("parameters: what the address asks is not what the body asks")
    return asked.resource(), mode or modes, profile or profiles


def _plain(body: bytes) -> dict[str, Any] | None:
    try:
        resource = build.decode(body)
    except model.UNREADABLE:
        return None
    return resource if isinstance(resource, dict) else None


def _of_address(resource: dict[str, Any] | None, resource_type: str, id_: str, mode: str) -> list[Issue]:
    """What does not fit the address that was asked."""
    if resource is None:
        return []
    if resource.get("resourceType") != resource_type:
        return [Issue("error", "invalid", "resourceType", "not the type of the address")]
    if id_ and resource.get("id") != id_:
        return [Issue("error", "invalid", f"{resource_type}.id", "not the id of the address")]
    if mode == "update" and "id" not in resource:
        return [Issue("error", "required", f"{resource_type}.id", "an update needs an id")]
    return []


def _by_profile(resource: dict[str, Any], profile: str) -> list[Issue]:
    """What is said by the profiles that a resource names and by the one that was asked for."""
    name = profile.partition("|")[0]
    if name.startswith(ukcore.BASE) and name.removeprefix(ukcore.BASE) in ukcore.PROFILES:
        meta = {**resource.get("meta", {}), "profile": [*resource.get("meta", {}).get("profile", ()), name]}
        return ukcore.check_claimed({**resource, "meta": meta})
    issues = ukcore.check_claimed(resource)
    if name and name != PLAIN + str(resource["resourceType"]):
        issues = [Issue("error", "not-found", "meta.profile", "the profile asked for is not known here"), *issues]
    return issues

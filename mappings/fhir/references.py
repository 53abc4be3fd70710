"""The references of a resource: which resource of the same contributor each means, and what stands for one that it is
not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from gateway.errors import Invalid
from mappings import AS_IS

_ID = r"[A-Za-z0-9\-.]{1,64}"
_IS_ID = re.compile(_ID)
_KEPT = re.compile(rf"([A-Z][A-Za-z]+)/({AS_IS}?{_ID})(?:/_history/{_ID})?")
_LOCAL = re.compile(rf"([A-Z][A-Za-z]+/{_ID})(?:/_history/{_ID})?")
_BY_IDENTIFIER = re.compile(r"([A-Z][A-Za-z]+)\?identifier=([^|&]*)\|([^|&]+)")


@dataclass(frozen=True, slots=True)
class Locality:
    """What makes a reference local. ``base`` is the contributor's own FHIR address; ``names`` are the resources of the
    same Bundle by ``fullUrl``."""

    base: str
    names: dict[str, str]

    def of(self, reference: str) -> str:
        """Return ``Type/id`` for a reference to a resource of this contributor, else the reference as it is. Raises
        ``Invalid`` for one that could mean what was written over the API.

        >>> Locality("https://a.example/fhir", {"urn:uuid:1": "Patient/1"}).of("urn:uuid:1")
        'Patient/1'
        >>> Locality("https://a.example/fhir", {}).of("https://a.example/fhir/Patient/2/_history/3")
        'Patient/2'
        """
        if reference in self.names:
            return self.names[reference]
        if self.base and reference.startswith(self.base + "/"):
            reference = reference[len(self.base) + 1 :]
        match = _LOCAL.fullmatch(reference)
        if not match and _KEPT.fullmatch(reference):  # of what another contributor may have written
            raise Invalid("reference: not an id")
        return match[1] if match else reference


def is_id(text: str) -> bool:
    """Whether ``text`` is an id of R4 (https://hl7.org/fhir/R4/datatypes.html#id)."""
    return _IS_ID.fullmatch(text) is not None


def local(value: Any, within: Locality) -> Any:
    """Return a resource with every reference to a resource of its contributor written ``Type/id``."""
    return referring(value, within.of)


def referring(value: Any, to: Callable[[str], str]) -> Any:
    """Return a value with each reference in it replaced by what ``to`` makes of it."""
    if isinstance(value, dict):
        return {
            name: to(inner) if name == "reference" and isinstance(inner, str) else referring(inner, to)
            for name, inner in value.items()
        }
    return [referring(item, to) for item in value] if isinstance(value, list) else value


def target(reference: str) -> tuple[str, str]:
    """Return the type and key of a local reference of a row, or ("", "").

    >>> target("Encounter/7"), target("https://b.example/fhir/Encounter/7")
    (('Encounter', '7'), ('', ''))
    """
    match = _KEPT.fullmatch(reference)
    return (match[1], match[2]) if match else ("", "")


def logical(reference: str) -> dict[str, Any]:
    """Return the Reference by identifier that a conditional reference means, {} for any other
    (https://hl7.org/fhir/R4/http.html#trules).

    >>> logical("Practitioner?identifier=https://fhir.hl7.org.uk/Id/gmc-number|C0000001")["identifier"]["value"]
    'C0000001'
    """
    match = _BY_IDENTIFIER.fullmatch(unquote(reference))
    if not match:
        return {}
    identifier = {"system": match[2], "value": match[3]} if match[2] else {"value": match[3]}
    return {"type": match[1], "identifier": identifier}

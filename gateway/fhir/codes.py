"""Tokens: how a coded value is matched, and the systems the whole house writes."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

SNOMED = "http://snomed.info/sct"
DMD = "https://dmd.nhs.uk"
UCUM = "http://unitsofmeasure.org"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"


@lru_cache(maxsize=131072)
def token_hash(system: str | None, code: str) -> int:
    """The signed 64-bit hash a token is found by; ``system`` None means a code of any system, "" a code of none."""
    text = f"\x1e{code}" if system is None else f"{system}\x1f{code}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=131072)
def hashes(system: str, code: str) -> tuple[int, int]:
    """Both hashes under which a coding is indexed."""
    return token_hash(system, code), token_hash(None, code)


def tokens(value: object) -> list[tuple[str, str]]:
    """https://hl7.org/fhir/R4/search.html#token

    (system, code) of a code, Coding, CodeableConcept, Identifier or boolean, or a list of them."""
    if isinstance(value, list):
        return [pair for item in value for pair in tokens(item)]
    if isinstance(value, dict):
        if "coding" in value:
            return [(coding.get("system", ""), coding.get("code", "")) for coding in value["coding"]]
        name = "code" if "code" in value else "value"
        return [(value.get("system", ""), value[name])] if name in value else []
    if isinstance(value, bool):
        return [("", "true" if value else "false")]
    return [("", value)] if isinstance(value, str) else []

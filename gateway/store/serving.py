"""The bytes to serve of a stored version: what the store knows of it is put into its ``meta``, nothing is parsed."""

from __future__ import annotations

from functools import lru_cache

from gateway.fhir.dates import moment
from gateway.store.resources import Stored


@lru_cache(maxsize=4096)
def instant(microseconds: int) -> str:
    """A FHIR instant in UTC, to the millisecond.

    >>> instant(1_700_000_000_123_000)
    '2023-11-14T22:13:20.123Z'
    """
    at = moment(microseconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def splice(version: Stored, source: str, security: bytes) -> bytes:
    """The bytes to serve: versionId, lastUpdated, source and security put into ``meta`` at its known place, nothing
    parsed."""
    at = 35 + len(version.type) + len(version.id)  # {"resourceType":"…","id":"…","meta":{
    extra = f'"versionId":"{version.number}","lastUpdated":"{instant(version.updated)}","source":"{source}"'.encode()
    if security:
        extra += b',"security":[' + security + b"]"
    body = version.body
    return body[:at] + extra + (b"" if body[at : at + 1] == b"}" else b",") + body[at:]

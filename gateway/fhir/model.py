"""Validates R4: types compiled from the standard decode in C, then a second pass checks the rest.

``check`` answers at once for what is valid; only what is not is walked again, to list everything that is wrong and
where. No message of a decoder is forwarded: it would carry the value.
"""

from __future__ import annotations

import re
from decimal import InvalidOperation
from itertools import accumulate
from typing import Any

import msgspec

from gateway.errors import TooLarge
from gateway.fhir import compiled, quick, rules, structure
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

DEEPEST, LARGEST = 64, 20_000_000
RESOURCE_TYPES = table.resource_types()
UNREADABLE = (ValueError, RecursionError, InvalidOperation)
"""How decoding fails: msgspec's errors are ValueErrors, and so is that of bytes that are not UTF-8. No ``Decimal``
holds a number whose exponent has twenty digits."""
_plain = msgspec.json.Decoder()
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_REST = bytes(set(range(256)) - {*_STEPS, ord('"')})
_BLANK = re.compile(rb'"(?:\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80|\xe2\x81\x9f|\xe3\x80\x80)')
"""The start of a string that begins with white space beyond ASCII."""
_ESCAPED, _STRING = re.compile(rb"\\.", re.DOTALL), re.compile(rb'"[^"]*"')


def make_ready() -> None:
    """Build what the checks need. It takes a process about a second, which the first resource would wait for."""
    compiled.loose()
    quick.make_ready()


def check(body: bytes, *, duplicates: bool = False) -> list[Issue]:
    """https://hl7.org/fhir/R4/validation.html

    What is wrong with a resource; [] for valid R4. ``duplicates`` also refuses an object with one name twice (API
    writes).

    >>> [issue.location for issue in check(b'{"resourceType":"Patient","id":"a","birthDate":"2024-02-30"}')]
    ['Patient.birthDate']
    """
    issues = _issues(body)
    return structure.duplicates(body) if duplicates and not issues else issues


def check_resource(resource: dict[str, Any], body: bytes) -> list[Issue]:
    """The same for a resource whose plain dict is already at hand."""
    return _issues(body, resource)


def _issues(body: bytes, resource: dict[str, Any] | None = None) -> list[Issue]:
    """Accept at once what is plainly sound, else go the long way."""
    if not quick.is_ordinary(body):
        return at_length(body)
    try:
        compiled.loose().decode(body)
    except UNREADABLE:
        return _bounded(body) or _everything(body)
    plain = _plain.decode(body) if resource is None else resource
    return [] if quick.is_sound(plain) else _doubted(body, plain, is_at_hand=resource is not None)


def _doubted(body: bytes, resource: dict[str, Any], is_at_hand: bool) -> list[Issue]:
    """The rest of the long way for an ordinary text that the loose types decoded: it has its bounds, and no string
    to look for. A dict at hand may hold decimals, which only JSON's own numbers can be measured against."""
    try:
        compiled.strict().decode(body)
    except UNREADABLE:
        return _everything(body) if is_at_hand else _listed(resource)
    return rules.check(resource)


def at_length(body: bytes) -> list[Issue]:
    """The long way: the strict types, then what they cannot express. Says everything that is wrong. It reads the body:
    a dict at hand may hold decimals, which only JSON's own numbers can be measured against."""
    issues = _bounded(body)
    if issues:
        return issues
    try:
        compiled.strict().decode(body)
    except UNREADABLE:
        return _everything(body)
    return _meant(_plain.decode(body), body)


def _bounded(body: bytes) -> list[Issue]:
    try:
        bound(body)
    except TooLarge as error:
        return [Issue("error", "too-long", "", str(error))]
    return []


def _meant(resource: dict[str, Any], body: bytes) -> list[Issue]:
    """Check what the types cannot express. A string with a control character, too long or of white space is looked for
    only where there can be one."""
    is_to_walk = b"\\u00" in body or len(body) > structure.LONGEST or _may_be_blank(body)
    return structure.check(resource) if is_to_walk else rules.check(resource)


def _may_be_blank(body: bytes) -> bool:
    """Whether any string begins with white space, as it is or escaped: only then can one be nothing else. Words are
    most of a body, and a pattern for each of them would be a fifth of the decoding."""
    return b'" ' in body or b'"\\' in body or not (body.isascii() or _BLANK.search(body) is None)


def bound(body: bytes) -> None:
    """Refuse what is too large or too deep before anything walks it. Raises ``TooLarge``."""
    if len(body) > LARGEST:
        raise TooLarge("the resource is too large")
    if (
        body.count(b"[") + body.count(b"{") > DEEPEST
        and max(accumulate(map(_STEPS.__getitem__, _brackets(body))), default=0) > DEEPEST
    ):
        raise TooLarge("the resource is nested too deep")


def _brackets(body: bytes) -> bytes:
    """The brackets of a JSON text that are not in its strings."""
    if b"\\" in body:
        body = _ESCAPED.sub(b"", body)
    return _STRING.sub(b"", body.translate(None, _REST)).replace(b'"', b"")


def _everything(body: bytes) -> list[Issue]:
    """List all faults of a resource that did not decode."""
    try:
        resource = structure.read(body)
    except UNREADABLE:
        return [Issue("error", "structure", "", "not JSON in UTF-8")]
    return _listed(resource)


def _listed(resource: object) -> list[Issue]:
    faults = structure.check(resource)
    if not faults:  # the types refused it, so something is wrong: never call it valid
        faults = [
            Issue(
                "error",
                "structure",
                resource.get("resourceType", "") if isinstance(resource, dict) else "",
                "not valid R4",
            )
        ]
    return faults

"""Validates R4: types compiled from the standard decode in C, then a second pass checks the rest.

``check`` answers at once for what is valid; only what is not is walked again, to list everything that is wrong and
where. No message of a decoder is forwarded: it would carry the value.
"""

from __future__ import annotations

import keyword
import re
import sys
import types as python_types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Annotated, Any, Literal, Union

import msgspec

from gateway.errors import TooLarge
from gateway.fhir import rules, structure
from gateway.fhir.issues import Issue
from gateway.fhir.r4 import table

DEEPEST, LARGEST = 64, 20_000_000
RESOURCE_TYPES = table.resource_types()
UNREADABLE = (ValueError, RecursionError)
"""How decoding fails: msgspec's errors are ValueErrors, and so is that of bytes that are not UTF-8."""
_plain = msgspec.json.Decoder()
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_REST = bytes(set(range(256)) - {*_STEPS, ord('"')})
_WORDS = frozenset({"string", "markdown"})
_BLANK = re.compile(rb'"(?:\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80|\xe2\x81\x9f|\xe3\x80\x80)')
"""The start of a string that begins with white space beyond ASCII."""
_ESCAPED, _STRING = re.compile(rb"\\.", re.DOTALL), re.compile(rb'"[^"]*"')


def check(body: bytes, *, duplicates: bool = False) -> list[Issue]:
    """https://hl7.org/fhir/R4/validation.html

    What is wrong with a resource; [] for valid R4. ``duplicates`` also refuses an object with one name twice (API
    writes).

    >>> [issue.location for issue in check(b'{"resourceType":"Patient","id":"a","birthDate":"2024-02-30"}')]
    ['Patient.birthDate']
    """
    found = _typed(body) or _meant(_plain.decode(body), body)
    return structure.duplicates(body) if duplicates and not found else found


def check_resource(resource: dict[str, Any], body: bytes) -> list[Issue]:
    """The same for a resource whose plain dict is already at hand."""
    return _typed(body) or _meant(resource, body)


def _typed(body: bytes) -> list[Issue]:
    """Decode with the compiled types. If they refuse, list all structural faults."""
    try:
        bound(body)
        decoder().decode(body)
    except TooLarge as error:
        return [Issue("error", "too-long", "", str(error))]
    except UNREADABLE:
        return _everything(body)
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
    found = structure.check(resource)
    if not found:  # the types refused it, so something is wrong: never call it valid
        found = [
            Issue(
                "error",
                "structure",
                resource.get("resourceType", "") if isinstance(resource, dict) else "",
                "not valid R4",
            )
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    annotation: str
    is_required: bool


@lru_cache(maxsize=1)
def decoder() -> msgspec.json.Decoder[object]:
    """A decoder of any R4 resource: structure, cardinality, formats and required codes, checked in C. Built once a
    process, on first use."""
    module = sys.modules["gateway.fhir._r4_types"] = python_types.ModuleType("gateway.fhir._r4_types")
    space = module.__dict__
    space.update(Annotated=Annotated, AtLeastOne=msgspec.Meta(min_length=1), Unset=msgspec.UnsetType)
    resources = []
    for each in table.types().values():
        made = _struct(each, space)
        space[each.name] = made
        if each.is_resource:
            resources.append(made)
    space["AnyResource"] = Union[tuple(resources)]  # noqa: UP007  a union of computed members
    return msgspec.json.Decoder(space["AnyResource"])


def _struct(each: table.Type, space: dict[str, Any]) -> type:
    rename: dict[str, str] = {}
    fields: list[Any] = []
    for member in _members(each, space):
        python_name = (
            member.name if member.name.isidentifier() and not keyword.iskeyword(member.name) else member.name + "_"
        )
        python_name = "x" + python_name if python_name.startswith("_") else python_name
        if python_name != member.name:
            rename[python_name] = member.name
        annotation = member.annotation
        fields.append(
            (python_name, annotation) if member.is_required else (python_name, f"{annotation}|Unset", msgspec.UNSET)
        )
    return msgspec.defstruct(
        each.name,
        fields,
        module="gateway.fhir._r4_types",
        kw_only=True,
        forbid_unknown_fields=True,
        rename=rename,
        gc=False,
        tag_field="resourceType" if each.is_resource else None,
        tag=each.name if each.is_resource else None,
    )


def _members(each: table.Type, space: dict[str, Any]) -> Sequence[_Member]:
    found = []
    for element in each.elements:
        for name, kind in element.names.items():
            is_primitive = kind in table.PRIMITIVES
            if kind == "Resource":
                annotation = "AnyResource"
            elif is_primitive:
                annotation = _primitive(kind, element.codes, space)
            else:
                annotation = kind
            if element.is_many:
                annotation = f"Annotated[list[{annotation}{'|None' if is_primitive else ''}], AtLeastOne]"
            found.append(_Member(name, annotation, element.is_required and not is_primitive and not element.is_choice))
            if is_primitive:
                found.append(
                    _Member(
                        "_" + name, "Annotated[list[Element|None], AtLeastOne]" if element.is_many else "Element", False
                    )
                )
    return found


def _primitive(kind: str, codes: frozenset[str], space: dict[str, Any]) -> str:
    name = f"p{abs(hash((kind, codes)))}"
    if name not in space:
        if kind == "boolean":
            space[name] = bool
        elif kind == "decimal":
            space[name] = float
        elif kind in table.INTEGERS:
            space[name] = Annotated[int, msgspec.Meta(ge=table.INTEGERS[kind], le=2147483647)]
        elif codes:
            space[name] = Literal[tuple(sorted(codes))]
        else:
            pattern = table.STRINGS[kind]
            meta = msgspec.Meta(min_length=1) if kind in _WORDS else msgspec.Meta(pattern=pattern) if pattern else None
            space[name] = Annotated[str, meta] if meta else str
    return name

"""Reads the parameters or the JSON body of a request, strictly. An error names no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from fastapi import Request

from gateway.api.errors import FHIR_JSON
from gateway.errors import Invalid, NotAcceptable, TooLarge, WrongMedia
from gateway.fhir import model, structure

FORM = "application/x-www-form-urlencoded"
ANYTHING = frozenset({FHIR_JSON, "application/json", "text/json", "application/*", "*/*"})
"""Media types in ``Accept`` that allow an answer in JSON."""
MOST = 50
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def in_query(request: Request) -> list[tuple[str, str]]:
    """The (name, value) pairs of the URL. Raises ``Invalid`` for what cannot be read as pairs of UTF-8, ``TooLarge``
    for too many."""
    return _pairs(request.scope["query_string"])


async def in_form(request: Request) -> list[tuple[str, str]]:
    """The pairs of the URL and of a form in the body, where no log keeps them. Raises also ``WrongMedia`` for a body
    that is no form."""
    if not is_form(request):
        raise WrongMedia(f"content-type: {FORM}")
    return in_query(request) + _pairs(await request.body())


async def in_json(request: Request) -> bytes:
    """The bytes of a JSON body, not decoded yet: not too deep, and no object with one name twice."""
    body = await request.body()
    model.bound(body)
    if structure.duplicates(body):
        raise Invalid("body: JSON, each name once")
    return body


def is_form(request: Request) -> bool:
    """Return whether the content type of the body is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


def takes(request: Request, pairs: Sequence[tuple[str, str]], *kinds: str) -> None:
    """Raise ``NotAcceptable`` where the client takes neither JSON nor any of ``kinds``. ``_format`` among the pairs
    says more than the header (R4, http: Content Types and encodings); it is looked at with the other parameters."""
    accept = request.headers.get("accept")
    if not accept or accept in ANYTHING or any(name == "_format" for name, _ in pairs):
        return
    ranges = {entry.partition(";")[0].strip().lower() for entry in accept.split(",")}
    if ranges.isdisjoint(ANYTHING) and ranges.isdisjoint(kinds):
        raise NotAcceptable(f"accept: {', '.join((FHIR_JSON, *kinds))}")


def _pairs(sent: bytes) -> list[tuple[str, str]]:
    fields = [field for field in sent.split(b"&") if field]
    if len(fields) > MOST:
        raise TooLarge("too many parameters")
    if _BAD_PERCENT.search(sent):
        raise Invalid("encoding of the parameters")
    try:
        pairs = parse_qsl(
            b"&".join(fields).decode("utf-8"), keep_blank_values=True, strict_parsing=bool(fields), errors="strict"
        )
    except UnicodeDecodeError:
        raise Invalid("encoding of the parameters") from None
    except ValueError:
        raise Invalid("parameters: name=value") from None
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise Invalid("encoding of the parameters")
    return pairs

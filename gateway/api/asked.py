"""Reads the parameters or the JSON body of a request, strictly. An error names no value."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from fastapi import Request

from gateway.api.errors import JSON, XML
from gateway.api.negotiation import SAME
from gateway.errors import Invalid, TooLarge, WrongMedia
from gateway.fhir import as_xml, model, structure

FORM = "application/x-www-form-urlencoded"
MOST_OF_FORM, MOST_OF_JSON = 64 * 1024, 16 * 1024
"""Bytes of a body that a search or an operation can need."""
MOST = 50
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def in_query(request: Request) -> list[tuple[str, str]]:
    """The (name, value) pairs of the URL. Raises ``Invalid`` for what cannot be read as pairs of UTF-8, ``TooLarge``
    for too many."""
    return _pairs(request.scope["query_string"])


async def form_body(request: Request) -> bytes:
    """The bytes of a form in the body, where no log keeps them. Raises ``WrongMedia`` for a body that is no form,
    ``TooLarge`` for one that no search needs."""
    if not is_form(request):
        raise WrongMedia(f"content-type: {FORM}")
    return await body(request, MOST_OF_FORM)


def in_form(request: Request, sent: bytes) -> list[tuple[str, str]]:
    """The pairs of the URL and of a form. It computes, so it is not for the event loop."""
    return in_query(request) + _pairs(sent)


def in_body(sent: bytes) -> list[tuple[str, str]]:
    """The pairs of a form alone. Raises as ``in_query`` does."""
    return _pairs(sent)


async def body(request: Request, most: int) -> bytes:
    """The bytes of a body. Raises ``TooLarge`` as soon as it is larger than ``most``."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLarge("the body is too large")
        chunks.append(chunk)
    return b"".join(chunks)


def resource(request: Request, sent: bytes) -> bytes:
    """The resource of a body, in JSON. Raises ``WrongMedia`` for a body that is said to be neither JSON nor XML,
    ``Invalid`` for what cannot be read."""
    return checked_json(as_json(request, sent))


def as_json(request: Request, sent: bytes) -> bytes:
    """A body in JSON, whatever is wrong with it. Raises ``WrongMedia`` for one that is said to be neither JSON nor XML,
    ``TooLarge`` for one too large or too deep, ``Invalid`` for XML that cannot be read."""
    type_ = _content_type(request)
    if type_ in SAME[XML]:
        sent = as_xml.to_json(sent)
    elif type_ and type_ not in SAME[JSON]:
        raise WrongMedia(f"content-type: {JSON}, {XML}")
    model.bound(sent)
    return sent


def json_of(request: Request, sent: bytes, kind: str) -> bytes:
    """A JSON body of one content type. Raises ``WrongMedia`` for another."""
    if _content_type(request) != kind:
        raise WrongMedia(f"content-type: {kind}")
    return checked_json(sent)


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query that stands in a header or a resource."""
    return _pairs(text.encode())


def checked_json(sent: bytes) -> bytes:
    """The bytes of a JSON body: not too deep, and no object with one name twice. It computes, so the event loop should
    not call it."""
    model.bound(sent)
    if structure.duplicates(sent):
        raise Invalid("body: JSON, each name once")
    return sent


def is_form(request: Request) -> bool:
    """Return whether the content type of the body is a form."""
    return _content_type(request) == FORM


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


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

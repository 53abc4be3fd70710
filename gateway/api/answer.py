"""The answer of FHIR in the form that the client asked for: JSON as it is stored or made, or XML; indented on request.

Sources: https://hl7.org/fhir/R4/http.html#mime-type and #general (``_pretty``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from gateway import records
from gateway.api import asked, negotiation
from gateway.api.errors import FHIR_JSON, JSON, XML, Failed
from gateway.errors import GatewayError, Invalid
from gateway.fhir import as_xml
from gateway.web.session_pages import problem_page

PRETTY = "_pretty"
NOTHING = "default-src 'none'; sandbox"
"""What XML may do in a browser, which would show the XHTML within it as a page."""
PAGE = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What a page may load: style, pictures and fonts of ours. No page of others may show one of ours inside of it."""


class Form:
    """What the client asked for. Made before the answer is looked for, so that a kind that we do not have is refused
    first."""

    __slots__ = ("is_pretty", "kind")

    def __init__(self, request: Request, pairs: Sequence[tuple[str, str]], *kinds: str):
        """Raises ``NotAcceptable`` where the client takes neither JSON nor XML nor one of ``kinds``, ``Invalid`` for a
        ``_pretty`` that is no boolean."""
        self.kind = negotiation.chosen(request, pairs, XML, *kinds)
        wishes = [value for name, value in pairs if name == PRETTY]
        if any(value not in ("true", "false") for value in wishes):
            raise Invalid("parameter _pretty: true or false")
        self.is_pretty = "true" in wishes

    def answer(self, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
        """Return the response with a resource, which comes in JSON. It computes for XML, so it is not for the event
        loop where ``is_as_made`` is false."""
        if self.kind == XML:
            return _in_xml(as_xml.to_xml(body, self.is_pretty), 200, headers or {})
        if self.is_pretty:
            body = msgspec.json.format(body, indent=2)
        return Response(body, headers=headers, media_type=FHIR_JSON)

    @property
    def is_as_made(self) -> bool:
        """Whether the answer is the JSON as it comes."""
        return self.kind == JSON and not self.is_pretty


def failed(request: Request, failure: Failed) -> Response:
    """Return the response to a failure, in XML where that is what the client takes: JSON for any other wish."""
    body, status, headers = failure
    place = getattr(request.state, "page", None)
    if place is not None:
        return _failed_page(place, body, status, headers)
    try:
        # a browser, which would rather have a page, shows JSON and stores XML
        kind = negotiation.chosen(request, asked.in_query(request), XML, negotiation.HTML)
    except GatewayError:
        kind = JSON
    if kind == XML:
        return _in_xml(as_xml.to_xml(body), status, headers)
    return Response(body, status, headers, FHIR_JSON)


def _failed_page(place: str, body: bytes, status: int, headers: Mapping[str, str]) -> Response:
    """The answer to a browser: ``place`` is where somebody goes who is not signed in."""
    if status == 401 and place:
        return RedirectResponse(place, 303)
    (issue,) = msgspec.json.decode(body)["issue"]
    kept = {name: value for name, value in headers.items() if name == "Retry-After"}
    response = page(problem_page(issue["details"]["text"]), status)
    response.headers.update(kept)
    return response


def _in_xml(body: bytes, status: int, headers: Mapping[str, str]) -> Response:
    sealed = {**headers, "Content-Security-Policy": NOTHING}
    return Response(body, status, sealed, f"{XML}; charset=utf-8")


def page(html: str, status: int = 200) -> Response:
    """Return the response with a page of ours."""
    headers = {"Content-Security-Policy": PAGE}
    return Response(html, status, headers=headers, media_type=f"{negotiation.HTML}; charset=utf-8")


def version_headers(version: records.Found) -> dict[str, str]:
    """Which version is answered, and of when (RFC 9110 §8.8)."""
    return {"ETag": f'W/"{version.version}"', "Last-Modified": records.http_date(version.updated)}

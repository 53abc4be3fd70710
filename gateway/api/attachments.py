"""The route of Binary: a content that a DocumentReference holds, as its source sent it.

A Binary has the id of its DocumentReference and the place of the content in it, and is read by that resource's own
decision. Source: https://hl7.org/fhir/R4/binary.html.
"""

from __future__ import annotations

import base64
import re

from fastapi import APIRouter, Request, Response

from gateway import records
from gateway.api import asked
from gateway.api.answer import NOTHING, Form, version_headers
from gateway.api.auth import Known
from gateway.api.errors import JSON, XML
from gateway.api.negotiation import SAME
from gateway.errors import Gone, NotFound
from gateway.fhir import build, docref
from gateway.fhir.parse import known
from gateway.nhs.access import Act

router = APIRouter(prefix="/fhir")
_NAME = re.compile(r"([A-Za-z0-9\-.]{1,60})\.([0-9]{1,3})\Z", re.ASCII)
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+\-]{1,60}/[A-Za-z0-9!#$&^_.+\-]{1,100}( *; *[A-Za-z0-9\-]+=[A-Za-z0-9._\-]+)*\Z"
)
"""RFC 9110 §8.3.1, but for quoted parameters. What a source wrote may be anything."""
SHOWN = frozenset({"text/plain", "image/png", "image/jpeg", "image/gif"})
"""What a browser may show where it is. Everything else could act, so it is saved instead."""
UNKNOWN = "application/octet-stream"


@router.get("/Binary/{id_}")
def binary(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/binary.html#rest: the content itself, or a Binary resource for who asks for FHIR."""
    pairs = asked.in_query(request)
    known(pairs)
    form = Form(request, pairs) if _wants_resource(request, pairs) else None
    name = _NAME.match(id_)
    if name is None:
        records.refuse_early(request.app.state.door, caller, Act("read", "DocumentReference"), request.state.id)
        raise NotFound("Binary")
    document, attachment = _held(request, caller, name[1], int(name[2]))
    headers = version_headers(document)
    data = docref.decoded(attachment)
    if data is None:
        raise NotFound("Binary")
    media_type = _media_type(attachment)
    if form is not None:
        resource = {
            "resourceType": "Binary", "id": id_, "contentType": media_type,
            "securityContext": {"reference": f"DocumentReference/{name[1]}"}, "data": base64.b64encode(data).decode(),
        }  # fmt: skip
        return form.answer(build.encode(resource), headers)
    is_shown = media_type.partition(";")[0].strip().lower() in SHOWN
    headers |= {
        "Content-Type": media_type,  # as it was sent: the framework would add a charset to text
        "Content-Disposition": "inline" if is_shown else "attachment",
        "Content-Security-Policy": NOTHING,
        "X-Security-Context": f"DocumentReference/{name[1]}",
    }
    return Response(data, headers=headers)


def _held(request: Request, caller: Known, id_: str, place: int) -> tuple[records.Found, dict[str, object]]:
    """The DocumentReference and its attachment at a place, as this caller sees it."""
    door = request.app.state.door
    try:
        (document,) = records.read(door, caller, "DocumentReference", id_, request.state.id).open()
    except Gone:
        raise Gone("Binary") from None
    except NotFound:
        raise NotFound("Binary") from None
    contents = build.decode(document.body).get("content", [])
    return document, contents[place].get("attachment", {}) if place < len(contents) else {}


def _wants_resource(request: Request, pairs: list[tuple[str, str]]) -> bool:
    """Whether the client names FHIR: any other wish is one for the content, which has the type that it has."""
    if any(name == "_format" for name, _ in pairs):
        return True
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    return bool(accepted & (SAME[JSON] | SAME[XML]))


def _media_type(attachment: dict[str, object]) -> str:
    text = attachment.get("contentType")
    return text if isinstance(text, str) and _MEDIA_TYPE.match(text) else UNKNOWN

"""Operations on one person: the summary as a FHIR document or as a page.

``$summary`` is asked of one Patient or of the type with an identifier, by GET or POST, as
https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html and https://hl7.org/fhir/R4/operations.html define.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, parameters
from gateway.api.answer import Form, page
from gateway.api.auth import Known
from gateway.api.negotiation import HTML
from gateway.api.parameters import Pairs
from gateway.errors import Invalid, Unsupported
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.parse import known
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.nhs.summary.record import Record
from gateway.summary import document
from gateway.summary.page import summary_page

router = APIRouter(prefix="/fhir")
PROFILES = frozenset(
    {
        "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips",
        "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips",
        "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Composition",
    }
)
"""What ``profile`` may ask for: the document is made in the shape of each."""
VALUES = {
    "identifier": ("valueString", "valueIdentifier"),
    "profile": ("valueCanonical", "valueUri", "valueString"),
    "view": ("valueCode", "valueString"),
}
"""The parameters of a Parameters resource, and how each may be typed."""


@router.get("/Patient/{id_}/$summary")
def summary(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the summary of the person of one Patient."""
    return _by_id(request, caller, id_, asked.in_query(request))


@router.get("/Patient/$summary")
def summary_by_number(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the summary of the person with an NHS number."""
    return _by_number(request, caller, asked.in_query(request))


@router.post("/Patient/{id_}/$summary")
async def summary_by_post(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the same, as many clients invoke operations."""
    sent = await _sent(request, caller, by_number=False)
    return await run_in_threadpool(lambda: _by_id(request, caller, id_, parameters.in_body(request, sent, VALUES)))


@router.post("/Patient/$summary")
async def summary_by_number_in_body(request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html: the same with the identifier in the body, where no
    log keeps it. The body is a form or a Parameters resource."""
    sent = await _sent(request, caller, by_number=True)
    return await run_in_threadpool(lambda: _by_number(request, caller, parameters.in_body(request, sent, VALUES)))


async def _sent(request: Request, caller: Caller, by_number: bool) -> bytes:
    """The bytes of the body. A role that may see no summary is refused before they are read."""
    door, id_ = request.app.state.door, request.state.id
    await run_in_threadpool(lambda: records.refuse_person_early(door, caller, id_, by_number=by_number))
    return await asked.body(request, parameters.most(request))


def _by_id(request: Request, caller: Caller, id_: str, pairs: Pairs) -> Response:
    form = Form(request, pairs, HTML)
    _check(pairs, "profile", "view")
    record = records.person(request.app.state.door, caller, request.state.id, id_=id_, view=_view(pairs))
    return _answer(request, record, form)


def _by_number(request: Request, caller: Caller, pairs: Pairs) -> Response:
    form = Form(request, pairs, HTML)
    _check(pairs, "identifier", "profile", "view")
    values = [value for name, value in pairs if name == "identifier"]
    if len(values) != 1:
        raise Invalid("identifier")
    system, _, number = values[0].rpartition("|")
    number = identifiers.normalise(number)
    if system not in ("", NHS_NUMBER) or not identifiers.is_valid(number):
        raise Invalid("identifier")
    door, view = request.app.state.door, _view(pairs)
    return _answer(request, records.person(door, caller, request.state.id, number=number, view=view), form)


def _view(pairs: Pairs) -> str:
    """Which document is asked for: what all sources hold (``shared``), or what the registered practice tells
    (``summary``)."""
    values = [value for name, value in pairs if name == "view"] or [access.SHARED]
    if len(values) != 1 or values[0] not in access.VIEWS:
        raise Invalid("view: shared or summary")
    return values[0]


def _check(pairs: Pairs, *names: str) -> None:
    known(pairs, *names)
    if any(name == "profile" and value.partition("|")[0] not in PROFILES for name, value in pairs):
        raise Unsupported("parameter profile")


def _answer(request: Request, record: Record, form: Form) -> Response:
    if form.kind == HTML:
        return page(summary_page(record))
    return form.answer(document.summary_document(record, f"{request.app.state.base}/"))

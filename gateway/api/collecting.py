"""Operations that collect the record of one person from all who hold some of it: ``$everything``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, parameters
from gateway.api.answer import Form
from gateway.api.auth import Known
from gateway.api.parameters import Pairs
from gateway.fhir import bundle
from gateway.fhir.portion import portion
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller

router = APIRouter(prefix="/fhir")
EVERYTHING = {
    "_since": ("valueInstant", "valueDateTime"),
    "_type": ("valueCode", "valueString"),
    "_count": ("valueInteger", "valuePositiveInt"),
    "start": ("valueDate", "valueDateTime"),
    "end": ("valueDate", "valueDateTime"),
}


@router.get("/Patient/{id_}/$everything")
def everything(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/patient-operation-everything.html: the record of the person of one Patient, in pages."""
    return _everything(request, caller, id_, asked.in_query(request))


@router.post("/Patient/{id_}/$everything")
async def everything_by_post(id_: str, request: Request, caller: Known) -> Response:
    """https://hl7.org/fhir/R4/patient-operation-everything.html: the same, as many clients invoke operations."""
    sent = await _sent(request, caller, Act("everything", "Patient"))
    pairs = await run_in_threadpool(lambda: parameters.in_body(request, sent, EVERYTHING))
    return await run_in_threadpool(lambda: _everything(request, caller, id_, pairs))


async def _sent(request: Request, caller: Caller, act: Act) -> bytes:
    """The bytes of the body. A role that may not do the act is refused before they are read."""
    await run_in_threadpool(records.refuse_early, request.app.state.door, caller, act, request.state.id)
    return await asked.body(request, parameters.most(request))


def _everything(request: Request, caller: Caller, id_: str, pairs: Pairs) -> Response:
    form = Form(request, pairs)
    page = records.everything(request.app.state.door, caller, id_, portion(pairs), request.state.id)
    path = f"Patient/{id_}/$everything"
    shown = [pair for pair in pairs if pair[0] != "_cursor"]
    return form.answer(
        bundle.collected(request.app.state.base, path, shown, page.matches, page.included, page.next, page.here)
    )

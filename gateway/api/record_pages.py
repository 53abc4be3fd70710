"""The record of one person as a page, for whoever is signed in in a browser: by NHS number from a form, or by id."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Invalid
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.nhs.summary.record import Record
from gateway.summary.page import summary_page

router = APIRouter()


@router.get("/record/{id_}")
def record_page(id_: str, request: Request, caller: Paged) -> Response:
    """The record of the person of one Patient, as a page."""
    record = records.person(request.app.state.door, caller, request.state.id, id_=id_, view=access.SHARED)
    return _page(request, record)


@router.post("/record")
async def record_by_number(request: Request, caller: Paged) -> Response:
    """The record of the person with an NHS number, as a page. The number comes in a form: no address and no log has
    it."""
    door, id_ = request.app.state.door, request.state.id
    await run_in_threadpool(lambda: records.refuse_person_early(door, caller, id_, by_number=True))
    sent = await asked.form_body(request)
    return await run_in_threadpool(_by_number, request, caller, sent)


def _by_number(request: Request, caller: Caller, sent: bytes) -> Response:
    form = signing_in.fields(sent)
    signing_in.require_page_form(request, form)
    number = identifiers.normalise(form.get("number", ""))
    if not identifiers.is_valid(number):
        raise Invalid("NHS number: 10 digits of which the last one checks the others")
    return _page(request, records.person(request.app.state.door, caller, request.state.id, number=number))


def _page(request: Request, record: Record) -> Response:
    signed_in = getattr(request.state, "signed_in", None)
    return page(summary_page(record, signing_in.bar(request, signed_in) if signed_in else None))

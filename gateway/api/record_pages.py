"""The record of one person as a page, for whoever is signed in in a browser: by NHS number from a form, or by id."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import care, records
from gateway.api import asked, permission_pages, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Forbidden, Invalid
from gateway.nhs import access, identifiers
from gateway.nhs.roles import Caller
from gateway.nhs.summary.record import Record
from gateway.summary.page import summary_page
from gateway.web.permission_page import Entered

router = APIRouter()
MISSING = {
    access.PTV_REQUIRED.code: "Permission to view is required. Say below why this record may be viewed.",
    access.NO_RELATIONSHIP.code: "Your organisation recorded permission, and no current relationship with this patient "
    "is known: no open visit, referral or care package, or it has ended. If the patient is in your care in a way that "
    "no system tells, say so below.",
    access.PERMISSION_REFUSED.code: access.PERMISSION_REFUSED.text,
}
"""What is missing, by the code of its refusal, for whoever may record it."""


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
    try:
        record = records.person(request.app.state.door, caller, request.state.id, number=number)
    except Forbidden as refused:
        return _why(request, caller, number, refused)
    return _page(request, record)


def _why(request: Request, caller: Caller, number: str, refused: Forbidden) -> Response:
    """The page on which to say why, where that is what is missing: the same for every number, with its true reason."""
    may_record = care.may_record(request.app.state.door, caller)
    if refused.code not in MISSING or not may_record:
        raise refused
    return permission_pages.asking(request, caller, Entered(number), why=MISSING[refused.code], status=403)


def _page(request: Request, record: Record) -> Response:
    signed_in = getattr(request.state, "signed_in", None)
    return page(summary_page(record, signing_in.bar(request, signed_in) if signed_in else None))

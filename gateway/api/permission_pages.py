"""The pages of permission to view: say why, be told who is alerted, confirm. They answer every number alike."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import care
from gateway.api import asked, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Forbidden, Invalid
from gateway.fhir.dates import moment
from gateway.nhs import access, identifiers
from gateway.nhs.relationship import DENIED
from gateway.nhs.roles import Caller
from gateway.web.permission_page import Entered, check_page, permission_page, recorded_page

router = APIRouter()
NOBODY = Entered()
LOCAL = ZoneInfo("Europe/London")
FIELDS = {"number": "NHS number", "reason": "Reason", "until": "Last day on which it holds"}


@router.get("/permission")
def permission_form(request: Request, caller: Paged) -> Response:
    """The bases that the caller may record, none of them chosen."""
    return asking(request, caller, NOBODY)


@router.post("/permission")
async def record_permission(request: Request, caller: Paged) -> Response:
    """Record one. What raises an alert, and a refusal, is recorded only when it is confirmed."""
    sent = await asked.form_body(request)
    return await run_in_threadpool(_record, request, caller, sent)


def asking(
    request: Request, caller: Caller, entered: Entered, why: str = "", fault: str = "", status: int = 200
) -> Response:
    """The page with the bases that the caller may record. Raises ``Forbidden``, audited, for who may record none."""
    door = request.app.state.door
    allowed = care.may_record(door, caller)
    if not allowed:
        care.checked(door, caller, care.Statement(entered.number, "permission"), request.state.id)
    offered = [(name, basis) for name, basis in access.ANSWERS.items() if name in allowed]
    return page(permission_page(signing_in.bar_of(request, caller), offered, entered, why, fault), status)


def _record(request: Request, caller: Caller, sent: bytes) -> Response:
    form = signing_in.fields(sent)
    signing_in.require_page_form(request, form)
    entered = _entered(form)
    statement = care.Statement(entered.number, entered.basis, entered.reason, entered.until)
    door, bar = request.app.state.door, signing_in.bar_of(request, caller)
    try:
        until = care.checked(door, caller, statement, request.state.id)
        basis = access.ANSWERS[entered.basis]
        if basis.is_stated and not entered.until:  # an empty field is not the longest time
            raise Invalid("until: a day is needed for this choice")
        if (basis.alert[1] or entered.basis == DENIED) and form.get("confirmed") != "yes":
            return page(check_page(bar, basis, entered, identifiers.spaced(entered.number), shown(until)))
        until = care.permit(door, caller, statement, request.state.id)
    except Invalid as fault:
        return asking(request, caller, entered, fault=_words(str(fault)), status=400)
    except Forbidden as refused:
        if refused.code != access.PERMISSION_REFUSED.code:
            raise
        return asking(request, caller, entered, fault=str(refused), status=403)
    return page(recorded_page(bar, basis, entered, identifiers.spaced(entered.number), shown(until)), 201)


def _entered(form: Mapping[str, str]) -> Entered:
    number = identifiers.normalise(form.get("number", ""))
    return Entered(number, form.get("basis", ""), form.get("reason", ""), form.get("until", "").strip())


def _words(fault: str) -> str:
    """What is wrong with the form, for people."""
    place, _, words = fault.partition(": ")
    if place == "basis":
        return "Say why this record may be viewed."
    return f"{FIELDS[place]}: {words}."


def shown(microseconds: int) -> str:
    """A time in Europe/London, with its zone.

    >>> shown(1_780_000_000_000_000)
    '28-May-2026 21:26 BST'
    """
    return f"{moment(microseconds).astimezone(LOCAL):%d-%b-%Y %H:%M %Z}"

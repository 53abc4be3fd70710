"""The privacy officer's pages: the queue of alerts, one alert, and what became of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Invalid, NotFound
from gateway.fhir.parse import known
from gateway.nhs import alerting
from gateway.nhs.roles import Caller
from gateway.oversight import hindsight, triage
from gateway.oversight.triage import Alert
from gateway.web.oversight_pages import alert_page, queue_page
from gateway.web.session_pages import Bar

router = APIRouter()
QUEUE = "/alerts"


@router.get(QUEUE)
def alerts_page(request: Request, caller: Paged) -> Response:
    """The alerts of the officer's organisation in one state, those that are open by default, as a page."""
    pairs = asked.in_query(request)
    known(pairs, "state")
    states = [value for _, value in pairs] or [alerting.OPEN]
    if len(states) != 1 or states[0] not in alerting.TITLES:
        raise Invalid(f"state: {' or '.join(alerting.TITLES)}")
    door = request.app.state.door
    queue = triage.queue(door, caller, states[0], request.state.id)
    rows = [_row(alert) for alert in queue]
    shown = queue_page(_bar(request), rows, states[0], alerting.TITLES, hindsight.sample(door, caller))
    return page(shown)


@router.get("/alerts/{id_}")
def one_alert(id_: str, request: Request, caller: Paged) -> Response:
    """One alert of the officer's organisation, with what led to it in the words of the audit, as a page."""
    return _alert_page(request, caller, id_)


@router.post("/alerts/{id_}")
async def moved_alert(id_: str, request: Request, caller: Paged) -> Response:
    """Have an alert come to another state, with a note. The form comes from the alert's page."""
    door, request_id = request.app.state.door, request.state.id
    await run_in_threadpool(lambda: records.refuse_early(door, caller, triage.ACT, request_id))
    sent = await asked.form_body(request)
    return await run_in_threadpool(_move, request, caller, id_, sent)


def _move(request: Request, caller: Caller, id_: str, sent: bytes) -> Response:
    form = signing_in.fields(sent)
    signing_in.require_page_form(request, form)
    try:
        triage.move(
            request.app.state.door, caller, _key(id_), form.get("state", ""), form.get("note", ""), request.state.id
        )
    except Invalid as fault:
        if getattr(request.state, "page", None) is None:  # no browser: told as the API tells
            raise
        return _alert_page(request, caller, id_, str(fault))
    return RedirectResponse(f"{QUEUE}/{_key(id_)}", 303)


def _alert_page(request: Request, caller: Caller, id_: str, why: str = "") -> Response:
    alert, deeds = hindsight.alert(request.app.state.door, caller, _key(id_), request.state.id)
    moves = {state: alerting.TITLES[state] for state in alerting.MOVES[alert.row.state]}
    shown = alert_page(_bar(request), _row(alert), deeds, moves, alerting.TITLES, why)
    return page(shown, 400 if why else 200)


def _row(alert: Alert) -> dict[str, Any]:
    """An alert as the pages show it: its age in days, or in hours where it is younger than two."""
    age = f"{alert.age // 24} days" if alert.age >= 48 else f"{alert.age} hours"
    return {**alert.as_dict(), "age": age}


def _key(id_: str) -> int:
    if not (id_.isascii() and id_.isdigit() and len(id_) < 16):
        raise NotFound("alert")
    return int(id_)


def _bar(request: Request) -> Bar | None:
    signed_in = getattr(request.state, "signed_in", None)
    return signing_in.bar(request, signed_in) if signed_in else None

"""The pages for a patient who signed in: who looked at their own record, and which choices are held."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway import records
from gateway.api import asked, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Invalid
from gateway.web.patient_pages import PERIODS, choices_page, looked_page
from gateway.web.session_pages import Bar

DEFAULT = 90
"""Days."""
router = APIRouter()


@router.get("/my/looked")
def looked(request: Request, caller: Paged) -> Response:
    """Who looked at the caller's own record, as a page: views and refusals of a period."""
    days = _days(request)
    answer = records.looked(request.app.state.door, caller, days, request.state.id)
    shown = looked_page(
        answer.looks, days, answer.since, answer.until, answer.begins, _bar(request), is_cut=answer.is_cut
    )
    return page(shown)


@router.get("/my/choices")
def choices(request: Request, caller: Paged) -> Response:
    """Which choices of the caller's this gateway holds, as a page, and who changes them."""
    held = records.choices(request.app.state.door, caller, request.state.id)
    return page(choices_page(held, _bar(request)))


def _days(request: Request) -> int:
    """The period asked for. Raises ``Invalid`` for one that is not offered."""
    words = dict(asked.in_query(request)).get("days", str(DEFAULT))
    if words not in map(str, PERIODS):
        raise Invalid(f"parameter days: {', '.join(map(str, PERIODS))}")
    return int(words)


def _bar(request: Request) -> Bar | None:
    signed_in = getattr(request.state, "signed_in", None)
    return signing_in.bar(request, signed_in) if signed_in else None

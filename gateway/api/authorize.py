"""Where an app has its user sign in, in a sandbox: a page of the named users, and of whom the app is launched for."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked
from gateway.api.answer import page
from gateway.errors import Forbidden, Invalid, NotFound
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.parse import parse
from gateway.nhs import identifiers, sandbox
from gateway.nhs.roles import caller_from_claims
from gateway.signin import offered
from gateway.signin.launch import Asked, Launch, NotAsked
from gateway.signin.sandbox import ISSUER
from gateway.web.authorize_page import authorize_page, refused_page

router = APIRouter()


@router.get(offered.AUTHORIZE)
def authorize(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code: ask the user who they are. The
    parameters go on in the form of the page, and nothing but that form is answered to the app: apps are not registered,
    so an address that sends browsers on would send them anywhere
    (https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2).
    """
    return _asked_for(request, asked.in_query(request), is_chosen=False)


@router.post(offered.AUTHORIZE)
async def authorize_by_post(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code: the same in a form, and what the
    user chose on the page."""
    sent = await asked.form_body(request)
    is_ours = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    return await run_in_threadpool(lambda: _asked_for(request, asked.in_form(request, sent), is_chosen=is_ours))


def _asked_for(request: Request, pairs: list[tuple[str, str]], *, is_chosen: bool) -> Response:
    """The page, or what the user chose on it. ``is_chosen``: the parameters may be a choice, because no link and no
    page of another site sent them."""
    request.app.state.rates.count_stranger(request)
    form = dict(pairs)
    if len(form) < len(pairs):
        raise Invalid("parameters: each once")
    launch: Launch = request.app.state.launch
    try:
        wish = launch.asked(form)
    except NotAsked as refusal:
        return page(refused_page(form["client_id"], str(refusal), refusal.place), 400)
    user = form.get("user", "") if is_chosen else ""
    if not user:
        return page(authorize_page(wish.client, form, sandbox.staff(), wish.needs_patient))
    if user not in sandbox.staff():
        raise Invalid("user")
    try:
        patient = _patient(request, wish, user, form.get("number", ""))
    except (Forbidden, NotFound, Invalid) as refusal:
        return page(authorize_page(wish.client, form, sandbox.staff(), wish.needs_patient, str(refusal)))
    return RedirectResponse(wish.place(code=launch.code(wish, user, patient)), 303)


def _patient(request: Request, wish: Asked, user: str, number: str) -> str:
    """The id of the Patient with an NHS number whom a user may see, decided and audited as their own search; "" where
    the app needs none."""
    if not wish.needs_patient:
        return ""
    number = identifiers.normalise(number)
    if not identifiers.is_valid(number):
        raise Invalid("Enter the NHS number of the patient.")
    caller = caller_from_claims({**sandbox.claims(user), "iss": ISSUER})
    query = parse("Patient", [("identifier", f"{NHS_NUMBER}|{number}")])
    patients = records.search(request.app.state.door, caller, query, request.state.id).matches
    if not patients:
        raise NotFound("No record of this patient can be shown to this user.")
    return patients[0].id

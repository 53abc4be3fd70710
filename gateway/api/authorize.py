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
from gateway.web.authorize_page import authorize_page

router = APIRouter()


@router.get(offered.AUTHORIZE)
def authorize(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code: ask the user who they are. The
    parameters go on in the form of the page."""
    return _asked_for(request, asked.in_query(request))


@router.post(offered.AUTHORIZE)
async def authorize_by_post(request: Request) -> Response:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code: the same in a form, and what the
    user chose on the page."""
    sent = await asked.form_body(request)
    return await run_in_threadpool(lambda: _asked_for(request, asked.in_form(request, sent)))


def _asked_for(request: Request, pairs: list[tuple[str, str]]) -> Response:
    request.app.state.rates.count_stranger(request)
    form = dict(pairs)
    if len(form) < len(pairs):
        raise Invalid("parameters: each once")
    launch: Launch = request.app.state.launch
    try:
        wish = launch.asked(form)
    except NotAsked as refusal:
        return _back(refusal.place)
    user = form.get("user", "")
    if not user:
        return page(authorize_page(wish.client, form, _roles(), wish.needs_patient))
    if user not in _roles():
        raise Invalid("user")
    try:
        patient = _patient(request, wish, user, form.get("number", ""))
    except (Forbidden, NotFound, Invalid) as refusal:
        return page(authorize_page(wish.client, form, _roles(), wish.needs_patient, str(refusal)))
    return _back(wish.place(code=launch.code(wish, user, patient)))


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


def _roles() -> dict[str, str]:
    """The role of each named user who has one."""
    held = {user: next(iter(claims.get("nhsid_nrbac_roles", ())), None) for user, claims in sandbox.USERS.items()}
    return {user: role["role_name"] for user, role in held.items() if role}


def _back(place: str) -> Response:
    return RedirectResponse(place, 303)

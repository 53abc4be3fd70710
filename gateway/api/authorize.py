"""Where an app has its user sign in, in a sandbox: a page of the named users, and of whom the app is launched for; and
where a named user launches an app from our page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from gateway import records
from gateway.api import asked, auth, signing_in
from gateway.api.answer import page
from gateway.api.auth import Paged
from gateway.errors import Forbidden, Invalid, NotFound
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.parse import parse
from gateway.nhs import access, identifiers, sandbox
from gateway.nhs.roles import Caller, caller_from_claims
from gateway.signin import offered
from gateway.signin.launch import Asked, Launch, Launched, NotAsked, is_app
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
    if wish.launched is not None:
        return _launched(request, launch, wish, form, is_chosen=is_chosen)
    user = form.get("user", "") if is_chosen else ""
    if not user:
        return page(authorize_page(wish.client, form, sandbox.staff(), wish.needs_patient))
    if user not in sandbox.staff():
        raise Invalid("user")
    caller = caller_from_claims({**sandbox.claims(user), "iss": ISSUER})
    try:
        patient, encounter = _context(request, caller, form) if wish.needs_patient else ("", "")
        if wish.needs_encounter and "encounter" not in form:
            visits = {id_: visit.words for id_, visit in _visits(request, caller, form["number"]).items()}
            return page(authorize_page(wish.client, form, {user: ""}, True, visits=visits))
    except (Forbidden, NotFound, Invalid) as refusal:
        return page(authorize_page(wish.client, form, sandbox.staff(), wish.needs_patient, str(refusal)))
    return RedirectResponse(wish.place(code=launch.code(wish, user, patient, encounter)), 303)


def _launched(
    request: Request, launch: Launch, wish: Asked, form: Mapping[str, str], *, is_chosen: bool
) -> Response:  # fmt: skip
    """Of an app that our page launched: ask its user to go on, for the patient of that page."""
    if wish.launched is None or not (is_chosen and form.get("go_on")):
        return page(authorize_page(wish.client, form, {}, False))
    session = auth.cookie(request, auth.SESSION)
    code = launch.code(wish, wish.launched.user, wish.launched.patient, wish.launched.encounter, session)
    return RedirectResponse(wish.place(code=code), 303)


@router.post("/launch")
async def launch_app(request: Request, caller: Paged) -> Response:
    """https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch: a named user launches an app from
    our page, for one patient, and for their visit where it is named."""
    door, id_ = request.app.state.door, request.state.id
    await run_in_threadpool(records.refuse_early, door, caller, access.Act("search", "Patient", True), id_)
    sent = await asked.form_body(request)
    return await run_in_threadpool(_launch, request, caller, sent)


def _launch(request: Request, caller: Caller, sent: bytes) -> Response:
    form = signing_in.fields(sent)
    signing_in.require_page_form(request, form)
    app = form.get("app", "")
    if not is_app(app):
        raise Invalid("the address of the app: https, or http on this machine")
    user = next((name for name in sandbox.staff() if sandbox.USERS[name]["nhsid_useruid"] == caller.user), "")
    if not user or caller.issuer != ISSUER:
        raise Forbidden("only a named user of the sandbox launches apps", "role")
    patient, encounter = _context(request, caller, form)
    signed_in = getattr(request.state, "signed_in", None)
    launched = Launched(user, patient, encounter, signed_in.handle.digest if signed_in else "")
    launch: Launch = request.app.state.launch
    joined = "&" if "?" in app else "?"
    query = urlencode({"iss": request.app.state.base, "launch": launch.begin(launched)})
    return RedirectResponse(f"{app}{joined}{query}", 303)


@router.get(offered.OPENID)
def openid(request: Request) -> Response:
    """https://openid.net/specs/openid-connect-discovery-1_0.html: how an app verifies an ID token of this sandbox."""
    return Response(msgspec.json.encode(offered.openid(request.app.state.root)), media_type="application/json")


def _patient(request: Request, caller: Caller, number: str) -> str:
    """The id of the Patient with an NHS number whom a user may see, decided and audited as their own search."""
    number = identifiers.normalise(number)
    if not identifiers.is_valid(number):
        raise Invalid("Enter the NHS number of the patient.")
    query = parse("Patient", [("identifier", f"{NHS_NUMBER}|{number}")])
    patients = records.search(request.app.state.door, caller, query, request.state.id).matches
    if not patients:
        raise NotFound("No record of this patient can be shown to this user.")
    return patients[0].id


MOST_VISITS = 20


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of a person: what it was and when, and the id of the Patient that it is of."""

    words: str
    patient: str


def _visits(request: Request, caller: Caller, number: str) -> dict[str, Visit]:
    """The last visits of the person with an NHS number that a user may see, by their ids."""
    identifier = f"{NHS_NUMBER}|{identifiers.normalise(number)}"
    query = parse("Encounter", [("patient.identifier", identifier), ("_sort", "-date"), ("_count", str(MOST_VISITS))])
    visits = records.search(request.app.state.door, caller, query, request.state.id).matches
    return {visit.id: _visit(msgspec.json.decode(visit.body)) for visit in visits}


def _visit(encounter: Mapping[str, Any]) -> Visit:
    begun = str(encounter.get("period", {}).get("start", ""))[:10] or "of no known day"
    what = encounter["class"].get("display") or encounter["class"].get("code") or "visit"
    return Visit(f"{what} {begun}", encounter["subject"]["reference"].rpartition("/")[2])


def _context(request: Request, caller: Caller, form: Mapping[str, str]) -> tuple[str, str]:
    """The ids of the patient and of the visit that were chosen, "" for no visit. Sources have a Patient each: with a
    visit it is the one that the visit is of, so that an app sees both."""
    number, encounter = form.get("number", ""), form.get("encounter", "")
    patient = _patient(request, caller, number)
    if not encounter:
        return patient, ""
    visits = _visits(request, caller, number)
    if encounter not in visits:
        raise NotFound("No such visit can be shown to this user.")
    return visits[encounter].patient, encounter

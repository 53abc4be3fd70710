"""Where people sign in, select a role, and sign out: pages for browsers, and the issuers' logout behind them.

A browser has one of two secrets in a cookie: of its session, or before that of its own sign-in. A form is answered only
where it bears the token made of that secret, and no other site sent it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from gateway.api import asked, auth
from gateway.api.answer import page
from gateway.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from gateway.nhs import access, sandbox
from gateway.nhs.roles import Caller
from gateway.oversight import triage
from gateway.signin.code_flow import NotSignedIn, Provider
from gateway.signin.sandbox import ISSUER
from gateway.signin.sessions import Asking, Sessions, SignedIn, form_token, require_form
from gateway.web.session_pages import Bar, home_page, role_page, sign_in_page

HOME = "/"
PLACES = re.compile(
    r"/(?:record/[A-Za-z0-9\-.]{1,64}|quality|permission|alerts(?:/[0-9]{1,15})?|my/(?:looked|choices))?", re.ASCII
)
"""Where somebody may be sent after sign-in: pages of ours, named whole. No other address is ever followed."""
ENDED = "You are not signed in: the sign-in did not come to an end here. Sign in again."
NO_ROLE = "You are not signed in: this gateway knows no role of yours."


def of_page(request: Request) -> None:
    """A failure of the request is a page."""
    request.state.page = auth.SIGN_IN


router = APIRouter(dependencies=[Depends(of_page)])


@router.get(HOME)
def home(request: Request) -> Response:
    """The first page: find a patient. Who is not signed in is sent to sign in, and who has several roles to select
    one."""
    signed_in = _signed_in(request)
    if signed_in.caller is None:
        return RedirectResponse(auth.SELECT, 303)
    caller, state = signed_in.caller, request.app.state
    is_operator = access.before_lookup(caller, access.Act("jobs"), access.Facts.of_nobody(0)) is None
    is_officer = access.before_lookup(caller, triage.ACT, access.Facts.of_nobody(0)) is None
    shown = home_page(
        bar(request, signed_in), is_patient=signed_in.is_patient, may_see_quality=is_operator,
        may_see_alerts=is_officer, is_sandbox=state.door.store.is_sandbox,
    )  # fmt: skip
    return page(shown)


@router.get(auth.SIGN_IN)
def sign_in(request: Request) -> Response:
    """The page on which people choose where they sign in. It gives the browser a secret of its own, so that no other
    site can sign anybody in here."""
    request.app.state.rates.count_stranger(request)
    to = _place(dict(asked.in_query(request)).get("to", ""))
    return _sign_in_page(request, to)


@router.post(auth.SIGN_IN)
async def begin(request: Request) -> Response:
    """Begin to sign in: at an issuer, or as a named user of a sandbox."""
    form = await _form(request)
    return await run_in_threadpool(_begin, request, form)


def _begin(request: Request, form: Mapping[str, str]) -> Response:
    browser, sessions = auth.cookie(request, auth.BROWSER), _sessions(request)
    _require_ours(request, browser, form)
    request.app.state.rates.count_stranger(request)
    to, user, provider = _place(form.get("to", "")), form.get("user", ""), form.get("provider", "")
    if user and request.app.state.door.store.is_sandbox and user in sandbox.people():
        before = auth.cookie(request, auth.SESSION)
        secret = sessions.begin(ISSUER, sandbox.claims(user), _about(request), before)
        return _began(request, secret, to)
    if provider in sessions.providers:
        place = sessions.ask(provider, browser, to, _back(request, provider))
        return RedirectResponse(place, 303)
    raise Invalid("user or issuer")


@router.get("/signin/{name}/back")
def back(name: str, request: Request) -> Response:
    """https://openid.net/specs/openid-connect-core-1_0.html#AuthResponse: an issuer sends the browser back with a code,
    which becomes a session."""
    sessions = _sessions(request)
    provider = sessions.providers.get(name)
    if provider is None:
        raise NotFound("page")
    request.app.state.rates.count_stranger(request)
    try:
        form, asking = _asking(request, provider)
    except (Unauthenticated, Invalid):  # not begun by this browser: any stranger can ask so, and the audit is kept
        return _sign_in_page(request, HOME, ENDED, 403)
    try:
        secret = _ended(request, provider, form, asking)
    except (Unauthenticated, Invalid) as error:
        why = str(error) if isinstance(error, NotSignedIn) else "role"
        sessions.refused(provider.issuer.iss, why, _about(request))
        return _sign_in_page(request, HOME, NO_ROLE if why == "role" else ENDED, 403)
    return _began(request, secret, asking.to)


def _asking(request: Request, provider: Provider) -> tuple[dict[str, str], Asking]:
    """The parameters of an answer, and the sign-in of this browser that it belongs to. Raises ``Unauthenticated``,
    ``Invalid``."""
    pairs = asked.in_query(request)
    form = dict(pairs)
    if len(form) < len(pairs):
        raise NotSignedIn("parameters")
    browser = auth.cookie(request, auth.BROWSER)
    return form, _sessions(request).asked(form.get("state", ""), provider.client.name, browser)


def _ended(request: Request, provider: Provider, form: Mapping[str, str], asking: Asking) -> str:
    """The secret of a new session. Raises ``Unauthenticated``, ``Invalid``."""
    provider.require_issuer(form.get("iss"))
    if "error" in form or not form.get("code"):
        raise NotSignedIn("code")
    seconds = request.app.state.door.store.clock() // 1_000_000
    back = _back(request, provider.client.name)
    claims = provider.claims(form["code"], back, asking.nonce, asking.verifier, seconds)
    before = auth.cookie(request, auth.SESSION)
    return _sessions(request).begin(provider.issuer.iss, claims, _about(request), before)


@router.post("/signin/{name}/logout")
async def logged_out(name: str, request: Request) -> Response:
    """https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest: an issuer ends the sessions of somebody,
    whose browser is not asked."""
    form = await _form(request)
    return await run_in_threadpool(_logged_out, name, request, form)


def _logged_out(name: str, request: Request, form: Mapping[str, str]) -> Response:
    sessions, kept = _sessions(request), {"Cache-Control": "no-store"}
    request.app.state.rates.count_stranger(request)
    try:
        if name not in sessions.providers:
            raise NotSignedIn("issuer")
        sessions.end_by_issuer(sessions.providers[name], form.get("logout_token", ""), _about(request))
    except NotSignedIn:
        return Response(b'{"error":"invalid_request"}', 400, kept, media_type="application/json")
    return Response(status_code=200, headers=kept)


@router.get(auth.SELECT)
def roles(request: Request) -> Response:
    """The page on which somebody who holds several roles selects one."""
    return _role_page(request, _signed_in(request))


@router.post(auth.SELECT)
async def select(request: Request) -> Response:
    """Select one role of those that the issuer told. The session gets a new secret."""
    form = await _form(request)
    return await run_in_threadpool(_select, request, form)


def _select(request: Request, form: Mapping[str, str]) -> Response:
    secret = auth.cookie(request, auth.SESSION)
    _require_ours(request, secret, form)
    signed_in = _signed_in(request)
    if not form.get("role"):
        return _role_page(request, signed_in, "Select one of your roles.")
    return _began(request, _sessions(request).select(secret, form["role"], _about(request)), HOME)


@router.post("/signout")
async def sign_out(request: Request) -> Response:
    """https://openid.net/specs/openid-connect-rpinitiated-1_0.html: end the session here, and then at its issuer."""
    form = await _form(request)
    return await run_in_threadpool(_sign_out, request, form)


def _sign_out(request: Request, form: Mapping[str, str]) -> Response:
    secret, sessions = auth.cookie(request, auth.SESSION), _sessions(request)
    place = auth.SIGN_IN
    if not secret:
        request.app.state.rates.count_stranger(request)
    else:
        _require_ours(request, secret, form)
        name = ""
        with suppress(Unauthenticated):  # it has ended already
            _signed_in(request)
            name = sessions.end(secret, _about(request))
        with suppress(Unavailable):  # the issuer does not answer: ended here
            place = name and sessions.providers[name].leave(request.app.state.root + auth.SIGN_IN) or place
    response = RedirectResponse(place, 303)
    _forget(request, response, auth.SESSION)
    return response


# What they share


def bar(request: Request, signed_in: SignedIn) -> Bar:
    """Who is signed in, for the head of a page."""
    caller = signed_in.caller
    title = next((role.title for role in signed_in.roles if caller and role.caller.role == caller.role), "")
    token = form_token(auth.cookie(request, auth.SESSION))
    return Bar(
        signed_in.name, title, caller.organisation if caller else "", token, signed_in.may_select, signed_in.is_patient
    )


def bar_of(request: Request, caller: Caller) -> Bar:
    """The head of a page for its caller: of the session in this browser, or of a token, which has none to end."""
    signed_in = getattr(request.state, "signed_in", None)
    return bar(request, signed_in) if signed_in else Bar(caller.name, "", caller.organisation, "")


def require_page_form(request: Request, form: Mapping[str, str]) -> None:
    """Raise ``Forbidden`` for a form of a session's page that another site sent. A request with a bearer token is no
    browser's doing."""
    if "authorization" not in request.headers:
        _require_ours(request, auth.cookie(request, auth.SESSION), form)


async def _form(request: Request) -> dict[str, str]:
    return fields(await asked.form_body(request))


def fields(sent: bytes) -> dict[str, str]:
    """The fields of a form; nothing is read of the address. Raises ``Invalid`` for one that comes twice."""
    pairs = asked.in_body(sent)
    if len(dict(pairs)) < len(pairs):
        raise Invalid("parameters: each once")
    return dict(pairs)


def _require_ours(request: Request, secret: str, form: Mapping[str, str]) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Forbidden("the form is not of this site", "form")
    require_form(secret, form.get("token", ""))


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def _signed_in(request: Request) -> SignedIn:
    """Whoever is signed in, counted as a caller, in the first role while none is selected. Raises ``Unauthenticated``
    for a stranger, who is counted too, and ``Throttled``."""
    rates = request.app.state.rates
    try:
        signed_in = _sessions(request).of(auth.cookie(request, auth.SESSION))
    except Unauthenticated:
        rates.count_stranger(request)
        raise
    rates.count_caller(signed_in.caller or signed_in.roles[0].caller)
    return signed_in


def _about(request: Request) -> dict[str, str]:
    return {"address": request.client.host if request.client else "", "request": request.state.id}


def _place(to: str) -> str:
    return to if PLACES.fullmatch(to) else HOME


def _back(request: Request, provider: str) -> str:
    """The address of ours to which an issuer sends the browser back; each issuer has its own."""
    root: str = request.app.state.root
    return f"{root}/signin/{provider}/back"


def _sign_in_page(request: Request, to: str, why: str = "", status: int = 200) -> Response:
    is_sandbox = request.app.state.door.store.is_sandbox
    browser = auth.cookie(request, auth.BROWSER) or secrets.token_urlsafe(32)
    titles = {name: provider.client.title for name, provider in _sessions(request).providers.items()}
    users = sandbox.people() if is_sandbox else {}
    shown = sign_in_page(titles, users, form_token(browser), to, why, is_sandbox=is_sandbox)
    response = page(shown, status)
    _remember(request, response, auth.BROWSER, browser)
    return response


def _role_page(request: Request, signed_in: SignedIn, why: str = "") -> Response:
    listed = [
        {"id": role.id, "title": role.title, "organisation": role.caller.organisation} for role in signed_in.roles
    ]
    selected = next((role.id for role in signed_in.roles if role.caller == signed_in.caller), "")
    token = form_token(auth.cookie(request, auth.SESSION))
    return page(role_page(signed_in.name, listed, selected, token, why), 400 if why else 200)


def _began(request: Request, secret: str, to: str) -> Response:
    """The browser with a new secret of a session, on its way to a page; its secret before that is of no use any
    more."""
    response = RedirectResponse(to, 303)
    _remember(request, response, auth.SESSION, secret)
    _forget(request, response, auth.BROWSER)
    return response


def _remember(request: Request, response: Response, name: str, secret: str) -> None:
    response.set_cookie(
        auth.cookie_name(request, name), secret, path="/", secure=auth.is_secure(request), httponly=True, samesite="lax"
    )


def _forget(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        auth.cookie_name(request, name), path="/", secure=auth.is_secure(request), httponly=True, samesite="lax"
    )

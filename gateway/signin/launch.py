"""The sandbox's authorisation server: an app is launched on its own or from our page, for one of the named users.

https://hl7.org/fhir/smart-app-launch/app-launch.html, with PKCE (https://www.rfc-editor.org/rfc/rfc7636). Only a
sandbox store has one, whose people are synthetic: any app may ask, and no user has a password. Launches, codes and
refresh tokens are secrets of which the store keeps the digest: each holds once. One that comes again ends all that its
launch was given.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.errors import Invalid, Unauthenticated
from gateway.nhs import scopes
from gateway.nhs.roles import Caller
from gateway.nhs.sandbox import claims
from gateway.signin import compact
from gateway.signin.issue import algorithm_of, issue, public_jwks
from gateway.signin.sandbox import AUDIENCE, ISSUER, MINUTES
from gateway.signin.token_endpoint import NotGranted
from gateway.store import clients, handles
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.handles import Handle
from gateway.store.session import Session

SECOND = 1_000_000
CODE_SECONDS, LAUNCH_SECONDS, OFFLINE_SECONDS = 60, 300, 24 * 3600
"""How long a code, a launch and a refresh token hold. Each refresh gives a new token with a new end, so a whole launch
may last longer."""
LAUNCH, PATIENT, ENCOUNTER = "launch", "launch/patient", "launch/encounter"
"""The scopes by which an app asks for the context of its launch."""
ONLINE, OFFLINE = "online_access", "offline_access"
"""The scopes by which an app asks for a refresh token: for as long as its user is signed in at our page, or longer."""
OPENID, FHIR_USER = "openid", "fhirUser"
OFFERED = frozenset({LAUNCH, PATIENT, ENCOUNTER, ONLINE, OFFLINE, OPENID, FHIR_USER})
LEVELS = ("patient", "user")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/-]{0,127}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_LAUNCHED = "launch-"
"""How the number of a token begins that was given to an app: ``launch-``, the number of its launch, and its own."""
NEAR = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


@dataclass(frozen=True, slots=True)
class Launched:
    """An app that was launched from our page: by whom, for which Patient and Encounter ("" for none). ``session`` is
    the digest of the session, "" where a token asked."""

    user: str
    patient: str
    encounter: str
    session: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What an app was given, and may ask for again: who signed in, for whom, and which scopes. ``number`` is shared by
    all tokens of the launch."""

    client: str
    redirect: str
    challenge: str
    nonce: str
    scopes: tuple[str, ...]
    user: str
    patient: str
    encounter: str
    session: str
    number: str


class NotAsked(Invalid):
    """A request that is not right, of an app that can be answered at ``place``."""

    def __init__(self, message: str, place: str):
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Asked:
    """What an app asks for. ``scopes`` are those that it may be given, ``launched`` is how it was launched from our
    page."""

    client: str
    redirect: str
    state: str
    challenge: str
    nonce: str
    scopes: tuple[str, ...]
    launch: str = ""
    launched: Launched | None = None

    @property
    def needs_patient(self) -> bool:
        """Whether its user must choose a patient."""
        is_of_one = any(scope in (PATIENT, ENCOUNTER) or scope.startswith("patient/") for scope in self.scopes)
        return self.launched is None and is_of_one

    @property
    def needs_encounter(self) -> bool:
        """Whether its user must be asked for an encounter."""
        return self.launched is None and ENCOUNTER in self.scopes

    def place(self, **answer: str) -> str:
        """Where the browser goes back to, with an answer."""
        mark = "&" if "?" in self.redirect else "?"
        parameters = {**answer, **({"state": self.state} if self.state else {})}
        return f"{self.redirect}{mark}{urlencode(parameters)}"


class Launch:
    """The authorisation server of a sandbox store, whose FHIR server is at ``base``. ``issuer`` is the name that its ID
    tokens bear, ``idle`` the minutes without a request after which a session of our pages ends."""

    def __init__(self, store: Store, key: bytes, base: str, issuer: str, idle: int = 15):
        self._store, self._key, self._base, self.issuer, self._idle = store, key, base, issuer, idle * 60 * SECOND
        self._algorithm = algorithm_of(key)
        self.jwks = public_jwks(key, self._algorithm)

    def begin(self, launched: Launched) -> str:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch

        The ``launch`` of an app that is launched from our page, which holds for five minutes and once.
        """
        return self._handed(handles.LAUNCH, "", launched.user, launched, LAUNCH_SECONDS)

    def asked(self, form: Mapping[str, str]) -> Asked:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code

        What an app asks for. Raises ``Invalid`` where nobody knows to whom to answer, else ``NotAsked``.
        """
        client, redirect = form.get("client_id", ""), form.get("redirect_uri", "")
        if not _CLIENT.fullmatch(client) or not is_app(redirect):
            raise Invalid("client_id, and redirect_uri: https, or http on this machine")
        launch = form.get("launch", "")
        launched = self._launched(launch) if launch else None
        kept = tuple(dict.fromkeys(_offered(form.get("scope", "").split(), launched)))
        asked = Asked(client, redirect, form.get("state", ""), form.get("code_challenge", ""), form.get("nonce", ""),
                      kept, launch, launched)  # fmt: skip
        for error, words, is_right in (
            ("unsupported_response_type", "response_type", form.get("response_type") == "code"),
            ("invalid_request", "code_challenge_method: S256", form.get("code_challenge_method") == "S256"),
            ("invalid_request", "code_challenge", bool(_CHALLENGE.fullmatch(asked.challenge))),
            ("invalid_request", "aud: the address of the FHIR server", form.get("aud", "").rstrip("/") == self._base),
            ("invalid_request", "nonce", len(asked.nonce) <= compact.TEXT_LIMIT),
            ("invalid_request", "launch: it has ended, or was used", not launch or launched is not None),
            ("invalid_scope", "scope: launch is needed", launched is None or LAUNCH in kept),
            ("invalid_scope", "scope", any(scope not in OFFERED or scope == OPENID for scope in kept)),
        ):
            if not is_right:
                raise NotAsked(words, asked.place(error=error, error_description=words))
        return asked

    def _launched(self, launch: str) -> Launched | None:
        with self._store.read() as session:
            handle = handles.get(session, handles.LAUNCH, launch, self._store.clock())
        return msgspec.json.decode(handle.body, type=Launched) if handle and not handle.used else None

    def code(self, asked: Asked, user: str, patient: str, encounter: str, session: str = "") -> str:
        """A code for a named user, a Patient's id and an Encounter's, which holds for a minute and once. ``session`` is
        the secret of the session in the browser: a launch from our page goes on only there. Raises ``Invalid``."""
        launched = asked.launched or Launched(user, patient, encounter, "")
        claims(launched.user)  # of a named user alone
        if asked.launched is not None:
            if asked.launched.session and not secrets.compare_digest(
                asked.launched.session, handles.digest_of(session)
            ):
                raise Invalid("launch: it was begun in another session")
            self._use_launch(asked.launch)
        grant = Grant(
            asked.client, asked.redirect, asked.challenge, asked.nonce, asked.scopes, launched.user, launched.patient,
            launched.encounter, launched.session, secrets.token_hex(16),
        )  # fmt: skip
        return self._handed(handles.CODE, grant.number, grant.user, grant, CODE_SECONDS)

    def _use_launch(self, launch: str) -> None:
        with self._store.write(is_aside=True) as session:
            handle = handles.get(session, handles.LAUNCH, launch, session.now)
            if handle is None or not handles.use(session, handle):
                raise Invalid("launch: it has ended, or was used")

    def _handed(self, kind: str, family: str, user: str, body: Launched | Grant, seconds: int) -> str:
        """A new secret that stands for something."""
        with self._store.write(is_aside=True) as session:
            return _put(session, kind, family, user, body, session.now + seconds * SECOND)

    def redeemed(self, form: Mapping[str, str], about: Mapping[str, str]) -> dict[str, Any]:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token

        The answer with a token for a code. The code is used up with the audit of the token. Raises ``NotGranted``. A
        code that comes again also ends what was given for it: one of the two who had it is not the app.
        """
        code, grant = self._granted(handles.CODE, form.get("code", ""), "code")
        verifier = form.get("code_verifier", "")
        proved = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not _VERIFIER.fullmatch(verifier) or not secrets.compare_digest(proved, grant.challenge):
            raise NotGranted("invalid_grant", "code_verifier")
        if (form.get("client_id"), form.get("redirect_uri")) != (grant.client, grant.redirect):
            raise NotGranted("invalid_grant", "client_id and redirect_uri are those that the code was given to")
        answer = self._given(code, grant, grant.scopes, about, "code")
        if OPENID in grant.scopes:
            answer["id_token"] = self._id_token(grant)
        return answer

    def refreshed(self, form: Mapping[str, str], about: Mapping[str, str]) -> dict[str, Any]:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#refresh-access-token

        The answer with a new token, and a new refresh token in the place of the one that was sent. Raises
        ``NotGranted``. One that comes again ends all that the launch was given: one of the two who had it is not the
        app (https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2).
        """
        handle, grant = self._granted(handles.REFRESH, form.get("refresh_token", ""), "refresh_token")
        if form.get("client_id", grant.client) != grant.client:  # HL7's own client for JavaScript names none
            raise NotGranted("invalid_grant", "client_id is the one that the token was given to")
        wanted = form.get("scope", "").split() or list(grant.scopes)
        if not set(wanted) <= set(grant.scopes) or _is_of_one(grant.scopes) and not _is_of_one(wanted):
            raise NotGranted("invalid_scope", "scope: no more than was granted")
        return self._given(handle, grant, tuple(wanted), about, "refresh_token")

    def _granted(self, kind: str, secret: str, place: str) -> tuple[Handle, Grant]:
        with self._store.read() as session:
            handle = handles.get(session, kind, secret, self._store.clock())
        if handle is None:
            raise NotGranted("invalid_grant", place)
        return handle, msgspec.json.decode(handle.body, type=Grant)

    def _given(
        self, handle: Handle, grant: Grant, wanted: tuple[str, ...], about: Mapping[str, str], place: str
    ) -> dict[str, Any]:
        """The tokens for what is used up by it, in the transaction of their audit."""
        number = f"{_LAUNCHED}{grant.number}.{secrets.token_hex(8)}"
        event = {"act": "token.launch", "issuer": ISSUER, "user": grant.user, "app": grant.client, **about,
                 "scopes": list(wanted), "token": number}  # fmt: skip
        context = {"patient": grant.patient} if grant.patient else {}
        members: dict[str, Any] = {}
        with self._store.write(is_aside=True) as session:
            if handle.until <= session.now or not self._is_signed_in(session, grant):
                raise NotGranted("invalid_grant", place)
            is_first = handles.use(session, handle)
            if is_first:
                body = {**claims(grant.user), "scope": " ".join(wanted), **context, "jti": number}
                token = issue(self._key, ISSUER, AUDIENCE, body, session.now, MINUTES * 60, self._algorithm)
                members = {"access_token": token, **self._refresh_token(session, grant)}
            else:
                _end(session, grant)
            record_write(session, {**event, "outcome": "ok" if is_first else "refused"})
        if not is_first:
            raise NotGranted("invalid_grant", f"{place}: it was used before")
        if grant.encounter:
            context["encounter"] = grant.encounter
        banner = {"need_patient_banner": True} if grant.patient else {}
        return {**members, "token_type": "Bearer", "expires_in": MINUTES * 60, "scope": " ".join(wanted), **context,
                **banner}  # fmt: skip

    def _is_signed_in(self, session: Session, grant: Grant) -> bool:
        """Whether the session still stands in which an app was launched; for an app that needs none, yes."""
        since = session.now - self._idle
        return not grant.session or handles.is_there(session, handles.SESSION, grant.session, session.now, since)

    def _refresh_token(self, session: Session, grant: Grant) -> dict[str, str]:
        """A refresh token where one was granted."""
        if not {ONLINE, OFFLINE} & set(grant.scopes):
            return {}
        until = session.now + OFFLINE_SECONDS * SECOND
        kept = grant if OFFLINE not in grant.scopes else replace(grant, session="")
        return {"refresh_token": _put(session, handles.REFRESH, grant.number, grant.user, kept, until)}

    def _id_token(self, grant: Grant) -> str:
        """https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data"""
        who = claims(grant.user)
        body: dict[str, object] = {"sub": who["sub"], "name": who["name"]}
        if grant.nonce:
            body["nonce"] = grant.nonce
        if FHIR_USER in grant.scopes:
            body["fhirUser"] = f"{self._base}/Practitioner/{USER_ID}{grant.user}"
        now = self._store.clock()
        return issue(self._key, self.issuer, grant.client, body, now, MINUTES * 60, self._algorithm)

    def require_standing(self, caller: Caller) -> None:
        """Raise ``Unauthenticated`` where what the launch was given has ended before its time."""
        with self._store.read() as session:
            if clients.is_spent(session, clients.TOKEN, caller.token.partition(".")[0]):
                raise Unauthenticated("token: revoked")


def _is_of_one(named: Iterable[str]) -> bool:
    """Whether scopes hold an app to the patient that it was launched for: to drop them all would free it."""
    return any(scope.startswith("patient/") for scope in named)


USER_ID = "sandbox-"
"""How the id of the Practitioner begins that stands for a named user."""


def _put(session: Session, kind: str, family: str, user: str, body: Launched | Grant, until: int) -> str:
    secret, kept = secrets.token_urlsafe(32), msgspec.json.encode(body).decode()
    handles.put(session, Handle(kind, handles.digest_of(secret), family, ISSUER, user, kept, 0, until))
    return secret


def _end(session: Session, grant: Grant) -> None:
    """End all that a launch was given: its refresh tokens, and its tokens until the last of them would have ended."""
    for handle in handles.of_family(session, handles.REFRESH, grant.number):
        handles.end(session, handle)
    until = session.now + (MINUTES * 60 + compact.LEEWAY) * SECOND
    clients.spend(session, clients.TOKEN, _LAUNCHED + grant.number, until)


def is_launched(caller: Caller) -> bool:
    """Whether a caller's token was given to an app for a code."""
    return caller.issuer == ISSUER and caller.token.startswith(_LAUNCHED)


def _offered(asked: list[str], launched: Launched | None) -> list[str]:
    """The scopes of those that are asked for that may be given: ``fhirUser`` only of somebody who is told of in an ID
    token, ``launch`` only where our page launched the app, and ``online_access`` only from a session, whose end it
    has."""
    has_session = launched is not None and bool(launched.session)
    left_out = {
        *(() if OPENID in asked else (FHIR_USER,)), *(() if has_session else (ONLINE,)), *(() if launched else (LAUNCH,))
    }  # fmt: skip
    return [
        scope
        for scope in asked
        if (scope in OFFERED or any(scopes.is_readable(scope, level) for level in LEVELS)) and scope not in left_out
    ]


def is_app(url: str) -> bool:
    """Whether an app may be answered at an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not any(mark in url for mark in '#@\\"<> ') and len(url) < 1000
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in NEAR)
    return is_plain and bool(parts.hostname) and is_safe

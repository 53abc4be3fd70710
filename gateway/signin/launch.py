"""The sandbox's authorisation server: an app is launched on its own, for one of the named users and one patient.

https://hl7.org/fhir/smart-app-launch/app-launch.html, with PKCE (https://www.rfc-editor.org/rfc/rfc7636). Only a
sandbox store has one, whose people are synthetic: any app may ask, and no user has a password.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from jose import jws

from gateway.errors import Invalid, Unauthenticated
from gateway.nhs import scopes
from gateway.nhs.roles import Caller
from gateway.nhs.sandbox import USERS, claims
from gateway.signin import compact
from gateway.signin.issue import algorithm_of, issue, public_jwks
from gateway.signin.sandbox import AUDIENCE, ISSUER, MINUTES
from gateway.signin.token_endpoint import NotGranted
from gateway.store import clients
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.session import Session

CODE_SECONDS = 60
CONTEXT = "launch/patient"
"""The scope by which an app asks for a patient."""
LEVELS = ("patient", "user")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/-]{0,127}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_CODE_NAME = f"{ISSUER}:code"
_LAUNCHED = "launch-"
"""How the number of a token begins that was given for a code: ``launch-`` and the number of the code."""
NEAR = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class NotAsked(Invalid):
    """A request that is not right, of an app that can be answered at ``place``."""

    def __init__(self, message: str, place: str):
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Asked:
    """What an app asks for. ``scopes`` are those that it may be given."""

    client: str
    redirect: str
    state: str
    challenge: str
    scopes: tuple[str, ...]

    @property
    def needs_patient(self) -> bool:
        """Whether it must be launched for one patient."""
        return any(scope == CONTEXT or scope.startswith("patient/") for scope in self.scopes)

    def place(self, **answer: str) -> str:
        """Where the browser goes back to, with an answer."""
        mark = "&" if "?" in self.redirect else "?"
        parameters = {**answer, **({"state": self.state} if self.state else {})}
        return f"{self.redirect}{mark}{urlencode(parameters)}"


class Launch:
    """The authorisation server of a sandbox store, whose FHIR server is at ``base``."""

    def __init__(self, store: Store, key: bytes, base: str):
        self._store, self._key, self._base = store, key, base
        self._algorithm = algorithm_of(key)
        self._jwks = public_jwks(key, self._algorithm)

    def asked(self, form: Mapping[str, str]) -> Asked:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code

        What an app asks for. Raises ``Invalid`` where nobody knows to whom to answer, else ``NotAsked``.
        """
        client, redirect = form.get("client_id", ""), form.get("redirect_uri", "")
        if not _CLIENT.fullmatch(client) or not _is_app(redirect):
            raise Invalid("client_id, and redirect_uri: https, or http on this machine")
        kept = tuple(dict.fromkeys(filter(_is_offered, form.get("scope", "").split())))
        asked = Asked(client, redirect, form.get("state", ""), form.get("code_challenge", ""), kept)
        for error, words, is_right in (
            ("unsupported_response_type", "response_type", form.get("response_type") == "code"),
            ("invalid_request", "code_challenge_method: S256", form.get("code_challenge_method") == "S256"),
            ("invalid_request", "code_challenge", bool(_CHALLENGE.fullmatch(asked.challenge))),
            ("invalid_request", "aud: the address of the FHIR server", form.get("aud", "").rstrip("/") == self._base),
            ("invalid_request", "launch: this server launches no apps", "launch" not in form),
            ("invalid_scope", "scope", any(scope != CONTEXT for scope in kept)),
        ):
            if not is_right:
                raise NotAsked(words, asked.place(error=error, error_description=words))
        return asked

    def code(self, asked: Asked, user: str, patient: str) -> str:
        """A code for a named user and a Patient's id, which holds for a minute and once."""
        if user not in USERS:
            raise Invalid("user")
        body = {
            "sub": user, "client_id": asked.client, "redirect": asked.redirect, "scopes": " ".join(asked.scopes),
            "challenge": asked.challenge, "patient": patient, "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        now = self._store.clock()
        return issue(self._key, _CODE_NAME, _CODE_NAME, body, now, CODE_SECONDS, self._algorithm, "code+jwt")

    def redeemed(self, form: Mapping[str, str], about: Mapping[str, str]) -> dict[str, Any]:
        """https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token

        The answer with a token for a code. The code is used up with the audit of the token. Raises ``NotGranted``. A
        code that comes again also ends the token that was given for it: one of the two who had it is not the app.
        """
        body = self._body(form.get("code", ""))
        verifier = form.get("code_verifier", "")
        proved = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not _VERIFIER.fullmatch(verifier) or not secrets.compare_digest(proved, body["challenge"]):
            raise NotGranted("invalid_grant", "code_verifier")
        if (form.get("client_id"), form.get("redirect_uri")) != (body["client_id"], body["redirect"]):
            raise NotGranted("invalid_grant", "client_id and redirect_uri are those that the code was given to")
        context = {"patient": body["patient"]} if body["patient"] else {}
        number, seconds = _LAUNCHED + body["jti"], MINUTES * 60
        token_claims = {**claims(body["sub"]), "scope": body["scopes"], **context, "jti": number}
        event = {"act": "token.launch", "issuer": ISSUER, "user": body["sub"], "app": body["client_id"], **about,
                 "scopes": body["scopes"].split(), "token": number}  # fmt: skip
        with self._store.write(is_aside=True) as session:
            is_first = self._use(session, body)
            if is_first:
                token = issue(self._key, ISSUER, AUDIENCE, token_claims, session.now, seconds, self._algorithm)
            else:
                clients.spend(session, clients.TOKEN, number, session.now + (seconds + compact.LEEWAY) * 1_000_000)
            record_write(session, {**event, "outcome": "ok" if is_first else "refused"})
        if not is_first:
            raise NotGranted("invalid_grant", "code: it was used before")
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": body["scopes"],
                **context, "need_patient_banner": True}  # fmt: skip

    def _use(self, session: Session, body: Mapping[str, Any]) -> bool:
        """Use up a code; False where it was used before. Raises ``NotGranted`` where it has ended meanwhile."""
        until = (body["exp"] + compact.LEEWAY) * 1_000_000
        if until <= session.now:
            raise NotGranted("invalid_grant", "code")
        return clients.spend(session, clients.CODE, body["jti"], until)

    def require_standing(self, caller: Caller) -> None:
        """Raise ``Unauthenticated`` where the token of a launched app has ended before its time."""
        with self._store.read() as session:
            if clients.is_spent(session, clients.TOKEN, caller.token):
                raise Unauthenticated("token: revoked")

    def _body(self, code: str) -> dict[str, Any]:
        """The claims of a code of ours that is in time. Raises ``NotGranted``."""
        try:
            header, _ = compact.parts(code)
            if header.get("alg") != self._algorithm or header.get("typ") != "code+jwt":
                raise ValueError("header")
            key = compact.chosen_key(compact.text(header, "kid"), self._algorithm, self._jwks)
            body = compact.json_object(jws.verify(code, key, [self._algorithm]))
            is_ours = body["iss"] == body["aud"] == _CODE_NAME
            if not is_ours or self._store.clock() // 1_000_000 > compact.seconds_of(body, "exp"):
                raise ValueError("exp")
        except Exception:  # jose raises kinds that it does not document
            raise NotGranted("invalid_grant", "code") from None
        return body


def is_launched(caller: Caller) -> bool:
    """Whether a caller's token was given to an app for a code."""
    return caller.issuer == ISSUER and caller.token.startswith(_LAUNCHED)


def _is_offered(scope: str) -> bool:
    return scope == CONTEXT or any(scopes.is_readable(scope, level) for level in LEVELS)


def _is_app(url: str) -> bool:
    """Whether an app may be answered at an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not any(mark in url for mark in '#@\\"<> ') and len(url) < 1000
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in NEAR)
    return is_plain and bool(parts.hostname) and is_safe

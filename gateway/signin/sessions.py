"""Sessions of people who open pages: a secret in the browser stands for who signed in, in one selected role.

The store keeps the digest of the secret, and what the issuer said of the person. Each request reads it anew, so a
session that ends has ended at once, in every process. Every sign-in, selected role and sign-out is audited.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.errors import Forbidden, Invalid, Unauthenticated, Unavailable
from gateway.nhs.roles import CITIZEN, Caller, caller_from_claims, citizen_from_claims
from gateway.signin import sandbox, vouching
from gateway.signin.code_flow import NotSignedIn, Provider
from gateway.signin.issuers import Issuer
from gateway.signin.page_client import PATIENTS
from gateway.store import clients, handles
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.store.handles import Handle
from gateway.store.session import Session

MINUTE = 60_000_000
ASKING_MINUTES = 10
"""Minutes in which a sign-in that was begun must be ended."""
_NUMBER = 32
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Role:
    """A role that a person may select: its id, and who they are in it."""

    id: str
    title: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session in force. ``caller`` is None while one of several ``roles`` must be selected."""

    name: str
    roles: tuple[Role, ...]
    caller: Caller | None
    handle: Handle

    @property
    def is_patient(self) -> bool:
        """Whether this is a person who looks at their own record. A member of staff whose role has no code is none."""
        return self.caller is not None and self.caller.kind == CITIZEN

    @property
    def may_select(self) -> bool:
        """Whether there is another role to select."""
        return len(self.roles) > 1


@dataclass(frozen=True, slots=True)
class Asking:
    """A sign-in under way at an issuer: what the answer must match, and where the person wanted to go."""

    issuer: str
    nonce: str
    verifier: str
    browser: str
    to: str


class Sessions:
    """The sessions of a store, which end after so many minutes without a request (``idle``) and in all (``longest``).
    ``issuers`` are those in force."""

    def __init__(self, store: Store, issuers: Iterable[Issuer], idle: int, longest: int):
        self._store, self._idle, self._longest = store, idle * MINUTE, longest * MINUTE
        self._issuers = {issuer.iss: issuer for issuer in issuers}
        self.providers = {
            issuer.pages.name: Provider(issuer) for issuer in self._issuers.values() if issuer.pages is not None
        }
        """The issuers at which people sign in, by the name of their table."""

    # A sign-in under way

    def ask(self, provider: str, browser: str, to: str, back: str) -> str:
        """Begin a sign-in at a provider, for the browser that holds a secret; return where it goes."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        place = self.providers[provider].place(back, state, nonce, verifier)
        asking = Asking(provider, nonce, verifier, handles.digest_of(browser), to)
        with self._store.write(is_aside=True) as session:
            until = session.now + ASKING_MINUTES * MINUTE
            body = msgspec.json.encode(asking).decode()
            handles.put(session, Handle(handles.ASKING, handles.digest_of(state), "", provider, "", body, 0, until))
        return place

    def asked(self, state: str, provider: str, browser: str) -> Asking:
        """The sign-in that an answer belongs to. It is used up. Raises ``NotSignedIn`` where this browser did not begin
        it, at this provider."""
        with self._store.write(is_aside=True) as session:
            handle = handles.get(session, handles.ASKING, state, session.now)
            is_first = handle is not None and handles.end(session, handle)
        if handle is None or not is_first:
            raise NotSignedIn("state")
        asking = msgspec.json.decode(handle.body, type=Asking)
        if asking.issuer != provider or not secrets.compare_digest(asking.browser, handles.digest_of(browser)):
            raise NotSignedIn("state")
        return asking

    # Sessions

    def begin(self, iss: str, claims: Facts, about: Mapping[str, str], before: str = "") -> str:
        """Begin a session for whom an issuer signed in; return its secret, always a new one. The session ``before`` of
        the same browser ends. Raises ``Unauthenticated`` where the issuer may not vouch for any role of theirs."""
        number = secrets.token_hex(_NUMBER // 2)
        who = self._roles(iss, claims, number)
        body = {"claims": dict(claims), "role": who[0].id if len(who) == 1 else "", "number": number}
        subject, sid = str(claims["sub"]), str(claims.get("sid", ""))
        secret = secrets.token_urlsafe(32)
        with self._store.write(is_aside=True) as session:
            if before and (old := handles.get(session, handles.SESSION, before, session.now)):
                handles.end(session, old)
            handle = Handle(handles.SESSION, handles.digest_of(secret), _family(sid), iss, subject,
                            _encoded(body), session.now, session.now + self._longest)  # fmt: skip
            handles.put(session, handle)
            record_write(session, self._event("signin", self._of(handle), about))
        return secret

    def of(self, secret: str) -> SignedIn:
        """The session that a secret stands for. Raises ``Unauthenticated`` where there is none, or it has ended. Its
        use is noted where no other writer is at work: a page does not wait for that."""
        now = self._store.clock()
        with self._store.read() as session:
            handle = handles.get(session, handles.SESSION, secret, now) if secret else None
        if handle is None or now - handle.used > self._idle:
            raise Unauthenticated("session")
        if now - handle.used > min(MINUTE, self._idle // 4):
            with suppress(Unavailable), self._store.write(is_aside=True, may_wait=False) as session:
                handles.see(session, handle)
        return self._of(handle)

    def select(self, secret: str, role: str, about: Mapping[str, str]) -> str:
        """Select one of the person's roles; return the new secret of the session. Raises ``Unauthenticated`` as ``of``
        does, ``Invalid`` for a role that they do not hold."""
        signed_in = self.of(secret)
        if role not in {held.id for held in signed_in.roles}:
            raise Invalid("role")
        new = secrets.token_urlsafe(32)
        body = {**msgspec.json.decode(signed_in.handle.body), "role": role, "number": secrets.token_hex(_NUMBER // 2)}
        with self._store.write(is_aside=True) as session:
            if not handles.end(session, signed_in.handle):
                raise Unauthenticated("session")
            handle = signed_in.handle._replace(digest=handles.digest_of(new), body=_encoded(body), used=session.now)
            handles.put(session, handle)
            record_write(session, self._event("signin.role", self._of(handle), about))
        return new

    def end(self, secret: str, about: Mapping[str, str]) -> str:
        """End a session; return the name of the issuer's table where it has pages, "" for none. Raises
        ``Unauthenticated`` where there is no session."""
        signed_in = self.of(secret)
        with self._store.write(is_aside=True) as session:
            if handles.end(session, signed_in.handle):
                record_write(session, self._event("signout", signed_in, about))
        issuer = self._issuers[signed_in.handle.issuer]
        return issuer.pages.name if issuer.pages else ""

    def end_by_issuer(self, provider: Provider, token: str, about: Mapping[str, str]) -> int:
        """https://openid.net/specs/openid-connect-backchannel-1_0.html#BCActions

        End the sessions that a logout token names; return how many. Raises ``NotSignedIn`` for a token that does not
        hold, or came before.
        """
        now = self._store.clock()
        claims = provider.logged_out(token, now // 1_000_000)
        iss, sid = provider.issuer.iss, claims.get("sid", "")
        digest = handles.digest_of(f"{iss}\n{claims['jti']}")
        with self._store.write(is_aside=True) as session:
            if not clients.spend(session, "logout", digest, session.now + 30 * MINUTE):
                raise NotSignedIn("logout token: jti")
            sessions = (
                handles.of_family(session, handles.SESSION, _family(sid))
                if sid
                else handles.of_subject(session, handles.SESSION, iss, claims["sub"])
            )
            ended = [h for h in sessions if h.issuer == iss and claims.get("sub", h.subject) == h.subject]
            for handle in ended:
                self._end_by_issuer(session, handle, about)
        return len(ended)

    def _end_by_issuer(self, session: Session, handle: Handle, about: Mapping[str, str]) -> None:
        if handles.end(session, handle):
            event = {"act": "signout", "issuer": handle.issuer, "user": handle.subject, **about, "outcome": "ok"}
            record_write(session, {**event, "by": "issuer"})

    def refused(self, iss: str, why: str, about: Mapping[str, str]) -> None:
        """Record that a sign-in did not hold."""
        with self._store.write(is_aside=True) as session:
            event = {"act": "signin", "issuer": iss, "user": "", **about, "outcome": "refused", "why": why}
            record_write(session, event)

    def _of(self, handle: Handle) -> SignedIn:
        body = msgspec.json.decode(handle.body)
        if handle.issuer not in self._issuers:  # it was taken out of the settings meanwhile
            raise Unauthenticated("session")
        roles = self._roles(handle.issuer, body["claims"], body["number"])
        caller = next((role.caller for role in roles if role.id == body["role"]), None)
        name = str(body["claims"].get("name", "")) or handle.subject
        return SignedIn(name, roles, caller, handle)

    def _roles(self, iss: str, claims: Facts, number: str) -> tuple[Role, ...]:
        """The roles of a person that the issuer may vouch for: the one that was selected there, else all that they
        hold. Judged anew each time, so that a change of the settings holds at once. Raises ``Unauthenticated``."""
        issuer = self._issuers[iss]
        if _are_patients(issuer, claims):
            return (_of_patient(claims, iss, number),)
        held = claims.get("nhsid_nrbac_roles", [])
        if not isinstance(held, list) or not all(isinstance(role, dict) for role in held):
            raise NotSignedIn("nhsid_nrbac_roles")
        wanted = claims.get("selected_roleid")
        roles, fault = [], Unauthenticated("no role")
        for role in held:
            if wanted is None or role.get("person_roleid") == wanted:
                try:
                    roles.append(_of_staff(issuer, claims, role, number))
                except Unauthenticated as error:
                    fault = error
        if not roles or len({role.id for role in roles}) < len(roles):
            raise fault
        return tuple(roles)

    def _event(self, act: str, signed_in: SignedIn, about: Mapping[str, str]) -> dict[str, Any]:
        caller = signed_in.caller
        return {
            "act": act, "issuer": signed_in.handle.issuer, "user": caller.user if caller else signed_in.handle.subject,
            "name": signed_in.name, "role": caller.role if caller else "",
            "organisation": caller.organisation if caller else "", **about, "outcome": "ok",
            "token": caller.token if caller else "",
        }  # fmt: skip


def _of_staff(issuer: Issuer, claims: Facts, role: Facts, number: str) -> Role:
    """One role, as a bearer token with this role selected would be read. Raises ``Unauthenticated``."""
    one_role = {**claims, "nhsid_nrbac_roles": [role], "iss": issuer.iss, "jti": number}
    one_role.pop("selected_roleid", None)
    caller = caller_from_claims(one_role)
    # A page of ours asks for no scopes: the role alone decides what it may show.
    vouches = replace(issuer.vouches, scopes=vouching.OPTIONAL) if issuer.vouches else None
    vouching.require(vouches, caller, one_role)
    title = role.get("role_name", "")
    return Role(vouching.text(role, "person_roleid"), title if isinstance(title, str) else "", caller)


_OF_PATIENTS = ("sub", "name", "nhs_number", "birthdate", "identity_proofing_level", "vot")
"""The claims that are read of a patient. A page of ours asks for no scopes."""


def _are_patients(issuer: Issuer, claims: Facts) -> bool:
    """Whether an issuer signs in patients; the sandbox's own signs in both, and its users say which they are."""
    if issuer.pages is not None:
        return issuer.pages.people == PATIENTS
    return issuer.iss == sandbox.ISSUER and "nhs_number" in claims


def _of_patient(claims: Facts, iss: str, number: str) -> Role:
    """A patient, who holds no role: nothing is decided in their favour by one. Raises ``NotSignedIn`` where they did
    not prove who they are."""
    read = {name: claims[name] for name in _OF_PATIENTS if claims.get(name) is not None}
    try:
        caller = citizen_from_claims({**read, "iss": iss, "jti": number})
    except Unauthenticated:
        raise NotSignedIn("identity_proofing_level") from None
    return Role("patient", "Patient", caller)


def _family(sid: str) -> str:
    """What the store keeps of the issuer's name of a session, which may be of any length."""
    return handles.digest_of(sid) if sid else ""


def _encoded(body: Mapping[str, Any]) -> str:
    return msgspec.json.encode(body).decode()


# Forms


def form_token(secret: str) -> str:
    """What a form of the browser that holds a secret must send back. No page of another site can know it."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"form\n" + secret.encode()).digest()).rstrip(b"=").decode()


def require_form(secret: str, token: str) -> None:
    """Raise ``Forbidden`` where a form was not made for the browser that holds this secret."""
    if not secret or not secrets.compare_digest(form_token(secret), token):
        raise Forbidden("the form is not of this session: go back and try again", "form")

"""People sign in at an OpenID issuer: the authorisation code flow with PKCE. The only home of Authlib.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth is the flow; RFC 9700 says what protects it. Authlib
writes the requests and checks the claims of the ID token. The signature is checked by ``compact``, which picks exactly
one key of the issuer's, and all calls go through ``egress``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core.claims import CodeIDToken
from jose import jws

from gateway import egress
from gateway.errors import Refused, Unauthenticated, Unavailable
from gateway.nhs.roles import VECTORS
from gateway.signin import assertion
from gateway.signin.compact import FORBIDDEN_HEADERS, LEEWAY, chosen_key, json_object, parts, seconds_of, text
from gateway.signin.issuers import Issuer
from gateway.signin.openid import Discovery
from gateway.signin.page_client import PATIENTS, PageClient

LONGEST = 24 * 3600
"""Seconds that an ID token may be valid at most."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_LONGEST = 600
"""Seconds after which a logout token is too old."""
_HARMLESS = frozenset({"x5t", "x5t#S256"})
"""Digests of a certificate, which some issuers write beside the key id; they choose no key here."""
_OF_USERINFO = ("name", "nhsid_useruid", "nhsid_nrbac_roles", "idassurancelevel")
"""Claims that CIS2 tells at its userinfo endpoint alone. How surely somebody signed in is told by the ID token."""
_OF_PATIENTS = ("name", "nhs_number", "birthdate")
"""Claims that NHS login tells there, kept where an issuer signs in patients."""
_KEPT = ("sub", "sid", "acr", "amr", "auth_time", "selected_roleid", "id_assurance_level",
         "authentication_assurance_level", "identity_proofing_level", "vot", *_OF_USERINFO)  # fmt: skip


class NotSignedIn(Unauthenticated):
    """A sign-in that does not hold; the message names the place, never a value."""


class _Session:
    """What Authlib calls for HTTP: one request, through ``egress``, tried once."""

    def __init__(self, is_near: bool):
        self._is_near = is_near

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        url, sent, body = auth.prepare("POST", url, dict(headers), egress.encoded(data))
        return _Answer(egress.exchange(url, body, sent, is_near=self._is_near))


class _Answer:
    """An answer as Authlib reads it."""

    def __init__(self, reply: egress.Reply):
        self.status_code, self._members = reply.status, reply.body

    def json(self) -> dict[str, Any]:
        return self._members

    def raise_for_status(self) -> None:
        raise NotSignedIn("token endpoint")


class Provider:
    """One issuer at which people sign in. Raises ``Unavailable`` where it does not answer."""

    def __init__(self, issuer: Issuer):
        if issuer.pages is None or issuer.discovery is None or issuer.remote is None:
            raise Refused(f"{issuer.iss}: people cannot sign in there")
        self.issuer, self.client = issuer, issuer.pages
        self._discovery: Discovery = issuer.discovery
        self._keys = issuer.remote

    def place(self, back: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in, and from there to ``back``."""
        asked: dict[str, str] = {"nonce": nonce}
        if self.client.people == PATIENTS:
            asked["vtr"] = "[" + ",".join(f'"{vector}"' for vector in VECTORS) + "]"
        elif self.issuer.vouches and self.issuer.vouches.acr:
            asked["acr_values"] = " ".join(sorted(self.issuer.vouches.acr))
        url: str = self._oauth(back).create_authorization_url(
            self._discovery.address("authorization_endpoint"), state, verifier, **asked
        )[0]
        return url

    def require_issuer(self, named: str | None) -> None:
        """Raise ``NotSignedIn`` where an answer was sent by another issuer: https://www.rfc-editor.org/rfc/rfc9207"""
        self._discovery.address("authorization_endpoint")
        is_said = self._discovery.says("authorization_response_iss_parameter_supported")
        if named != self.issuer.iss and (named is not None or is_said):
            raise NotSignedIn("iss")

    def claims(self, code: str, back: str, nonce: str, verifier: str, seconds: int) -> dict[str, Any]:
        """https://openid.net/specs/openid-connect-core-1_0.html#TokenEndpoint

        The claims of whoever signed in, for a code, at ``seconds`` UTC. Raises ``NotSignedIn``.
        """
        endpoint = self._discovery.address("token_endpoint")
        try:
            answer = self._oauth(back).fetch_token(
                endpoint, grant_type="authorization_code", code=code, code_verifier=verifier, **self._proof(endpoint, seconds)
            )  # fmt: skip
            access, id_token = text_of(answer, "access_token"), text_of(answer, "id_token")
        except (OAuth2Error, KeyError, ValueError):
            raise NotSignedIn("code") from None
        claims = self._id_token(id_token, nonce, access, seconds)
        userinfo = self._userinfo(access, claims["sub"])
        is_of_patients = self.client.people == PATIENTS
        beside = _OF_PATIENTS if is_of_patients else _OF_USERINFO
        kept = {**{name: userinfo[name] for name in beside if name in userinfo}, **claims}
        return {name: kept[name] for name in (*_KEPT, *(_OF_PATIENTS if is_of_patients else ())) if name in kept}

    def _oauth(self, back: str) -> OAuth2Client:
        method = "client_secret_basic" if self.client.secret else "none"
        return OAuth2Client(
            _Session(self._discovery.is_near), self.client.id, self.client.secret or None, method,
            scope=" ".join(self.client.scopes), redirect_uri=back, code_challenge_method="S256",
        )  # fmt: skip

    def _proof(self, endpoint: str, seconds: int) -> dict[str, str]:
        """The signed assertion by which the client proves who it is, where it has a key."""
        if not self.client.key:
            return {}
        signed = assertion.signed(self.client.key, self.client.id, self.client.kid, endpoint, seconds * 1_000_000)
        return {"client_assertion_type": assertion.KIND, "client_assertion": signed}

    def _id_token(self, token: str, nonce: str, access: str, seconds: int) -> dict[str, Any]:
        try:
            header, claims = self._verified(token, frozenset({"JWT"}))
            essential = {"iss": {"essential": True, "value": self.issuer.iss}, "aud": {"essential": True},
                         "nonce": {"essential": True, "value": nonce}}  # fmt: skip
            expected = {"nonce": nonce, "client_id": self.client.id, "access_token": access}
            CodeIDToken(claims, header, essential, expected).validate(seconds, LEEWAY)
            _require_for(claims, self.client)
            issued, ends = seconds_of(claims, "iat"), seconds_of(claims, "exp")
            text(claims, "sub")
            if issued > seconds + LEEWAY or not 0 < ends - issued <= LONGEST:
                raise ValueError("iat")
        except Unavailable:  # without keys nothing is known of the token
            raise
        except Exception:  # joserfc and jose raise many kinds
            raise NotSignedIn("ID token") from None
        return claims

    def _verified(self, token: str, types: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(header, claims) of a token that this issuer signed. Raises ``ValueError`` and what ``jose`` raises, or
        ``Unavailable`` where there are no keys."""
        header, _ = parts(token)
        if not (FORBIDDEN_HEADERS - _HARMLESS).isdisjoint(header):
            raise ValueError("header")
        if str(header.get("typ", "JWT")).upper() not in types:
            raise ValueError("typ")
        algorithm, kid = text(header, "alg"), text(header, "kid")
        if algorithm not in self.issuer.algorithms:
            raise ValueError("alg")
        self._keys.refresh(kid)
        return header, json_object(jws.verify(token, chosen_key(kid, algorithm, self.issuer.keys), [algorithm]))

    def _userinfo(self, access: str, subject: str) -> dict[str, Any]:
        """https://openid.net/specs/openid-connect-core-1_0.html#UserInfo: of the same person, or nothing."""
        at = self._discovery.address("userinfo_endpoint")
        if not at:
            return {}
        reply = egress.exchange(at, None, {"Authorization": f"Bearer {access}"}, is_near=self._discovery.is_near)
        if reply.status != 200 or reply.body.get("sub") != subject:
            raise NotSignedIn("userinfo")
        return reply.body

    def logged_out(self, token: str, seconds: int) -> dict[str, Any]:
        """https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation

        The claims of a logout token: ``jti``, and ``sid`` or ``sub``. Raises ``NotSignedIn``, or ``Unavailable`` where
        there are no keys, so that the issuer sends it again.
        """
        try:
            _, claims = self._verified(token, frozenset({"JWT", "LOGOUT+JWT", "APPLICATION/LOGOUT+JWT"}))
            _require_for(claims, self.client)
            if claims["iss"] != self.issuer.iss or "nonce" in claims or "sub" not in claims and "sid" not in claims:
                raise ValueError("claims")
            if not isinstance(claims["events"].get(LOGOUT_EVENT), dict):
                raise ValueError("events")
            issued = seconds_of(claims, "iat")
            if not seconds - LOGOUT_LONGEST < issued <= seconds + LEEWAY:
                raise ValueError("iat")
            if "exp" in claims and seconds_of(claims, "exp") + LEEWAY <= seconds:
                raise ValueError("exp")
            return {name: text(claims, name) for name in ("jti", "sid", "sub") if name in claims or name == "jti"}
        except Unavailable:
            raise
        except Exception:  # jose raises kinds that it does not document
            raise NotSignedIn("logout token") from None

    def leave(self, back: str) -> str:
        """https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

        Where the browser goes to sign out at the issuer too, and from there to ``back``; "" where it has no such place.
        """
        at = self._discovery.address("end_session_endpoint")
        if not at:
            return ""
        joined = "&" if "?" in at else "?"
        return at + joined + egress.encoded({"client_id": self.client.id, "post_logout_redirect_uri": back})


def _require_for(claims: Mapping[str, Any], client: PageClient) -> None:
    """A token is for this client alone: who else it is for could have passed it on."""
    if claims["aud"] not in (client.id, [client.id]):
        raise ValueError("aud")


def text_of(answer: Mapping[str, Any], name: str) -> str:
    """A token of an answer. Raises ``KeyError`` or ``ValueError``."""
    value = answer[name]
    if type(value) is not str or not value:
        raise ValueError(name)
    return value

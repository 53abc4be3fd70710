"""An OpenID issuer by its discovery document: where its keys are, asked for anew with them.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway import log
from gateway.errors import GatewayError, Refused, Unavailable

if TYPE_CHECKING:
    from gateway.egress import Document

FRESH, LONGEST = 300.0, 3600.0
"""Seconds for which the addresses in a document are taken as they were, and after which a document that could not be
asked for again is forgotten."""
GAP = 5.0
"""Seconds after a failure in which the issuer is not asked again: strangers may begin to sign in, and each request
would wait in a thread."""
TYPE = "at+jwt"
"""The type of an issuer's access tokens (RFC 9068), unless its table names another: an ID token, which also bears the
issuer's name and signature, is of type ``JWT``."""


class Discovery:
    """The discovery document of the issuer ``iss`` at ``url``. Raises ``Refused`` for an address that may not be
    called: https, or http on this machine."""

    def __init__(self, url: str, iss: str, clock: Callable[[], float] = time.monotonic):
        from gateway import egress  # and with it httpx, which most commands do not need

        if not isinstance(url, str) or not isinstance(iss, str):
            raise TypeError("url")
        egress.require_document_address(url, is_near=True, is_ours=True)
        self._url, self._iss, self._clock = url, iss, clock
        self.is_near = url.startswith("http:")
        self._asking = threading.Lock()
        self._known: tuple[float, dict[str, Any]] = (-LONGEST, {})
        self._failed = -GAP

    def document(self) -> dict[str, Any]:
        """The document as it is now. Raises ``Unavailable`` where there is none of this issuer's."""
        from gateway import egress

        members = egress.document(self._url, is_near=True, is_ours=True).members
        if members.get("issuer") != self._iss:
            raise Unavailable("the discovery document is another issuer's", "another-issuer")
        return members

    def keys(self) -> Document:
        """The JWKS that the document names. Raises as ``document`` does."""
        from gateway import egress

        return egress.document(self._address(self.document(), "jwks_uri"), is_near=self.is_near, is_ours=True)

    def address(self, name: str) -> str:
        """An address that the document names, as it was in the last minutes; "" where it names none. Of several threads
        one asks for a document that is old. The others take the one before, for an hour at most. Raises ``Unavailable``
        at once where there is none."""
        if self._clock() - self._known[0] >= FRESH and self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()
        at, members = self._known
        if self._clock() - at >= LONGEST:
            raise Unavailable("the discovery document could not be had: ask again", "no-document")
        return self._address(members, name) if name in members else ""

    def _ask(self) -> None:
        """Ask for the document, but not just after a failure."""
        if self._clock() - self._failed < GAP:
            return
        try:
            members = self.document()
            self._known = self._clock(), members
        except GatewayError as error:
            self._failed = self._clock()
            log.event("discovery.unavailable", reason=getattr(error, "code", "") or type(error).__name__)

    def says(self, name: str) -> bool:
        """Whether the document says that the issuer does something. Asked after ``address``."""
        return self._known[1].get(name) is True

    def _address(self, members: dict[str, Any], name: str) -> str:
        at = members.get(name)
        if not isinstance(at, str):
            raise Unavailable("the discovery document names no keys", "no-keys")
        if not at.startswith("https:") and not (self.is_near and at.startswith("http:")):
            raise Refused("the addresses of an issuer are https://…")
        return at

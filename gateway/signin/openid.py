"""An OpenID issuer by its discovery document: where its keys are, asked for anew with them.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.errors import Refused, Unavailable

if TYPE_CHECKING:
    from gateway.egress import Document

TYPE = "at+jwt"
"""The type of an issuer's access tokens (RFC 9068), unless its table names another: an ID token, which also bears the
issuer's name and signature, is of type ``JWT``."""


def asking(url: str, iss: str) -> Callable[[], Document]:
    """What asks for the keys of the issuer ``iss`` whose discovery document is at ``url``. Raises ``Refused`` for an
    address that may not be called: https, or http on this machine."""
    from gateway import egress  # and with it httpx, which most commands do not need

    if not isinstance(url, str) or not isinstance(iss, str):
        raise TypeError("url")
    egress.require_document_address(url, is_near=True, is_ours=True)

    def ask() -> Document:
        document = egress.document(url, is_near=True, is_ours=True).members
        if document.get("issuer") != iss:
            raise Unavailable("the discovery document is another issuer's", "another-issuer")
        at = document.get("jwks_uri")
        if not isinstance(at, str):
            raise Unavailable("the discovery document names no keys", "no-keys")
        is_near = url.startswith("http:")
        if at.startswith("http:") and not is_near:
            raise Refused("the keys of an issuer are at https://…")
        return egress.document(at, is_near=is_near, is_ours=True)

    return ask

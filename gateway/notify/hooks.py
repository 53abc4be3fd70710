"""Where notifications may go, and the secrets that they carry: what an operator configured, and one key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken

from gateway import egress
from gateway.config import PRIVATE
from gateway.errors import Refused
from gateway.notify import signature

NOT_LISTED = (
    "an endpoint is an https address of a host that the operator has listed, without a user, a query or a fragment"
)


@dataclass(frozen=True)
class Hooks:
    """What sending takes: the gateway's own secret, and the origins that are listed. A sandbox may call this machine
    without TLS, where it is listed."""

    key: bytes
    origins: tuple[str, ...]
    is_sandbox: bool = False

    def require(self, endpoint: str) -> None:
        """Raise ``Refused`` for an endpoint that is not called. What its name leads to is looked at when it is."""
        origin = self._origin(endpoint)
        if origin is None:
            raise Refused(NOT_LISTED)
        egress.require_notified_address(endpoint, is_near=self.is_sandbox, is_private=origin.endswith(PRIVATE))

    def send(self, endpoint: str, content: bytes, headers: dict[str, str]) -> egress.Receipt:
        """POST a notification. Raises ``Refused`` for an endpoint that is not called, ``Unavailable`` where nothing
        answers."""
        origin = self._origin(endpoint)
        if origin is None:
            raise Refused(NOT_LISTED)
        return egress.notify(endpoint, content, headers, is_near=self.is_sandbox, is_private=origin.endswith(PRIVATE))

    def _origin(self, endpoint: str) -> str | None:
        """The listed origin that an endpoint is of."""
        try:
            parts = urlsplit(endpoint)
        except ValueError:
            return None
        named = f"{parts.scheme}://{parts.netloc}".lower()
        return next((origin for origin in self.origins if origin.removesuffix(PRIVATE) == named), None)

    def secret(self, subscription: str) -> bytes:
        """The secret that signs the notifications of a subscription."""
        return signature.secret(self.key, subscription)

    def shown(self, subscription: str) -> str:
        """That secret as its client is told it, once."""
        return signature.shown(self.secret(subscription))

    @cached_property
    def _fernet(self) -> Fernet:
        key = hmac.new(self.key, b"headers of notifications", hashlib.sha256).digest()
        return Fernet(base64.urlsafe_b64encode(key))

    def sealed(self, headers: Sequence[str]) -> str:
        """Headers as they lie in the store: nobody reads them there. "" for none."""
        return self._fernet.encrypt(json.dumps(list(headers)).encode()).decode() if headers else ""

    def opened(self, sealed: str) -> dict[str, str]:
        """The headers that were sealed. Raises ``Refused`` where they were sealed under another key."""
        try:
            lines = json.loads(self._fernet.decrypt(sealed)) if sealed else []
        except InvalidToken:
            raise Refused("the headers of a subscription were sealed under another key") from None
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

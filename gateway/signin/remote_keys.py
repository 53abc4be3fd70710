"""Public keys at an address: a JWKS that is kept, asked for again when it is old or a key is unknown, and never often.

Keys are rotated without a stop: a token that names a new key has the set asked for anew. Whoever sends tokens with
invented key ids can have it asked once in ``GAP`` seconds at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway import log
from gateway.errors import GatewayError

GAP, FRESH, LONGEST = 30.0, 300.0, 86_400.0
"""Seconds between two requests for a set at least, in which it is not asked for again without a reason, and after
which one that could not be asked for again is forgotten."""
MOST_KEYS = 50
SECRET = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
"""Members that only a private or secret key has (RFC 7518 §6)."""


def problem(jwks: object) -> str:
    """Why something is no set of public keys; "" where it is one."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, (list, tuple)) or not keys or not all(isinstance(key, Mapping) for key in keys):
        return "jwks has no keys"
    if len(keys) > MOST_KEYS:
        return "jwks has too many keys"
    return "jwks holds a private or secret key" if any(SECRET & set(key) for key in keys) else ""


class RemoteKeys:
    """The JWKS at one address. ``ask`` gets it, and raises a ``GatewayError`` where it is not there; ``clock`` counts
    seconds."""

    def __init__(self, ask: Callable[[], Mapping[str, Any]], clock: Callable[[], float] = time.monotonic):
        self._ask, self._clock = ask, clock
        self._asking = threading.Lock()
        self._asked, self._known = -GAP, -LONGEST
        self._jwks: Mapping[str, Any] = {"keys": []}

    @property
    def jwks(self) -> Mapping[str, Any]:
        """The set as it was last there; without keys where that is too long ago."""
        return self._jwks if self._clock() - self._known < LONGEST else {"keys": []}

    def is_wanted(self, kid: str) -> bool:
        """Whether the set should be asked for: it is old or lacks a key, and was not asked for just now."""
        now = self._clock()
        is_known = any(key.get("kid") == kid for key in self.jwks["keys"])
        return now - self._asked >= GAP and (not is_known or now - self._known >= FRESH)

    def refresh(self, kid: str) -> None:
        """Ask for the set where it is wanted; the one before stays where there is none. Of several threads one asks,
        and the others go on with what there is."""
        if not self.is_wanted(kid) or not self._asking.acquire(blocking=False):
            return
        try:
            self._asked = self._clock()
            jwks = self._ask()
            if reason := problem(jwks):
                log.event("jwks.refused", reason=reason)
                return
            self._jwks, self._known = jwks, self._asked
        except GatewayError as error:
            log.event("jwks.unavailable", reason=getattr(error, "code", "") or type(error).__name__)
        finally:
            self._asking.release()

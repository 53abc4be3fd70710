"""Public keys at an address: a JWKS that is kept, asked for again when it is old or a key is unknown, and never often.

Keys are rotated without a stop: a token that names a new key has the set asked for anew. Whoever sends tokens with
invented key ids can have it asked once in ``GAP`` seconds at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway import log
from gateway.errors import GatewayError, Unavailable

if TYPE_CHECKING:
    from gateway.egress import Document

GAP, EMPTY_GAP = 30.0, 5.0
"""Seconds between two requests for a set at least; the second while there is none."""
FRESH, LONGEST = 300.0, 3600.0
"""Seconds in which a set is not asked for again without a reason, and after which one that could not be asked for again
is forgotten."""
WAIT, MOST_WAITING = 5.0, 8
"""Seconds that a caller waits for the first set while another thread asks for it, and how many wait: each holds a
thread."""
MOST_KEYS = 50
SECRET = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})
"""Members that only a private or secret key has (RFC 7518 §6)."""
NONE: Mapping[str, Any] = {"keys": []}


class KeysUnavailable(Unavailable):
    """There are no keys to verify with, because their address does not answer: nothing is known of the token."""


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
    seconds.

    It is asked for again after ``FRESH`` seconds, or sooner where its ``Cache-Control`` says so, but never within
    ``GAP``. Where it cannot be had then, an older one holds for ``LONGEST`` seconds; ``is_strict``: no longer than its
    ``Cache-Control`` says, as SMART asks for the keys of clients.
    """

    def __init__(
        self,
        ask: Callable[[], Document],
        clock: Callable[[], float] = time.monotonic,
        *,
        is_strict: bool = False,
    ):
        self._ask, self._clock, self._is_strict = ask, clock, is_strict
        self._asking, self._waiting = threading.Lock(), threading.BoundedSemaphore(MOST_WAITING)
        self._asked, self._known = -GAP, -LONGEST
        self._said: float | None = None
        self._jwks = NONE

    @property
    def jwks(self) -> Mapping[str, Any]:
        """The set as it was last there; without keys where that is too long ago."""
        return self._jwks if self.is_held else NONE

    @property
    def is_held(self) -> bool:
        """Whether there is a set in force. One that was emptied at its address is in force: nobody signs with it."""
        longest = LONGEST if self._said is None or not self._is_strict else min(LONGEST, self._said)
        return self._clock() - self._known < longest

    def is_wanted(self, kid: str) -> bool:
        """Whether ``refresh`` has something to do or to say: there is no set, or it is old or lacks a key and was not
        asked for just now."""
        return not self.is_held or self._is_due(kid)

    def _is_due(self, kid: str) -> bool:
        now, is_held = self._clock(), self.is_held
        is_known = any(key.get("kid") == kid for key in self.jwks["keys"])
        return now - self._asked >= (GAP if is_held else EMPTY_GAP) and (not is_known or self._is_old(now))

    def _is_old(self, now: float) -> bool:
        return now - self._known >= (FRESH if self._said is None else min(FRESH, self._said))

    def refresh(self, kid: str) -> None:
        """Ask for the set where it is due; the one before stays where there is none. Of several threads one asks. The
        others go on with the set that there is, or wait for the first one. Raises ``KeysUnavailable`` where there is
        no set then."""
        if self.is_held:
            self._refresh(kid, 0)
        elif self._waiting.acquire(blocking=False):
            try:
                self._refresh(kid, WAIT)
            finally:
                self._waiting.release()
        if not self.is_held:
            raise KeysUnavailable("the keys of an issuer could not be had: ask again", "no-keys")

    def _refresh(self, kid: str, seconds: float) -> None:
        if not self._asking.acquire(timeout=seconds):
            return
        try:
            if self._is_due(kid):
                self._ask_now()
        finally:
            self._asking.release()

    def _ask_now(self) -> None:
        try:
            document = self._ask()
            reason = "" if document.members.get("keys") == [] else problem(document.members)
            if reason:
                log.event("jwks.refused", reason=reason)
            else:
                self._jwks, self._known = document.members, self._clock()
                self._said = None if document.seconds is None else max(GAP, document.seconds)
        except GatewayError as error:
            log.event("jwks.unavailable", reason=getattr(error, "code", "") or type(error).__name__)
        finally:
            self._asked = self._clock()

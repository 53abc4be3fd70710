"""How often somebody may ask: a rate for each caller, one for each address that sends no valid token, and one each for
the exports and the tokens of a client. The home of ``limits``.

The counts are of one server, whose processes share them, and are lost with it. An address is the one that connects, or
that a trusted proxy forwards: behind any other proxy all strangers share one, so a caller with a valid token is never
counted with them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import limits
from fastapi import Request
from limits.strategies import FixedWindowRateLimiter

from gateway.api.shared_rates import SharedRates
from gateway.config import Settings
from gateway.errors import Refused, Throttled, TooLarge
from gateway.nhs.roles import Caller


@dataclass(frozen=True)
class Rates:
    """The rates in force and what was counted."""

    caller: limits.RateLimitItem
    stranger: limits.RateLimitItem
    export: limits.RateLimitItem
    token: limits.RateLimitItem
    _counted: Mapping[str, FixedWindowRateLimiter]
    """By the name of the rate."""

    def count_caller(self, caller: Caller) -> None:
        """Count a request of a caller, whichever token it came with. Raises ``Throttled``."""
        self._count(self.caller, caller.issuer, caller.user, caller.organisation)

    def count_entries(self, caller: Caller, entries: int) -> None:
        """Count the entries of a Bundle of a caller, each as a request; the first is counted already. Raises
        ``Throttled`` before any of them is done, and ``TooLarge`` where they are more than may ever come at once."""
        if entries > self.caller.amount:
            raise TooLarge("Bundle.entry: more than the requests that you may send at once")
        if entries > 1:
            self._count(self.caller, caller.issuer, caller.user, caller.organisation, cost=entries - 1)

    def count_stranger(self, request: Request) -> None:
        """Count a request without a valid token. Raises ``Throttled``."""
        self._count(self.stranger, request.client.host if request.client else "")

    def count_export(self, caller: Caller) -> None:
        """Count the start of an export. Raises ``Throttled``."""
        self._count(self.export, caller.issuer, caller.user, caller.organisation)

    def count_token(self, client: str) -> None:
        """Count a request of a registered system that proved who it is. Raises ``Throttled``."""
        self._count(self.token, client)

    def _count(self, rate: limits.RateLimitItem, *who: str, cost: int = 1) -> None:
        """Count for somebody; what is not done costs them nothing. A user's or client's id is its issuer's own: who has
        the same at another is counted apart."""
        name = repr(who)  # one name, because the library joins several with a character that they may hold
        counted = self._counted[rate.namespace]
        has_room = cost == 1 or counted.test(rate, name, cost=cost)
        if not (has_room and counted.hit(rate, name, cost=cost)):
            until = counted.get_window_stats(rate, name).reset_time
            raise Throttled("too many requests: ask again later", max(1, math.ceil(until - time.time())))


NAMES = ("caller_rate", "stranger_rate", "export_rate", "token_rate")


def open_rates(settings: Settings, shared: Path | None = None) -> Rates:
    """The rates that the settings name, counted in files of the folder ``shared`` where several processes do. Raises
    ``Refused`` naming one that cannot be read."""
    caller, stranger, export, token = (_rate(name, getattr(settings, name)) for name in NAMES)
    # A table for each: strangers, who may fill theirs, are never counted with a caller.
    counted = {name: FixedWindowRateLimiter(SharedRates(shared / name if shared else None)) for name in NAMES}
    return Rates(caller, stranger, export, token, counted)


def _rate(name: str, text: str) -> limits.RateLimitItem:
    """A rate such as ``600/minute``, under its own name: two of one size must not share their counts."""
    try:
        item = limits.parse(text)
    except ValueError:
        raise Refused(f"GATEWAY_{name.upper()} is not a rate such as 600/minute") from None
    if item.amount < 1:
        raise Refused(f"GATEWAY_{name.upper()} is not a rate such as 600/minute: it lets nobody in")
    return type(item)(item.amount, item.multiples, namespace=name)

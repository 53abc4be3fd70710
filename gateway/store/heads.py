"""Where the chains of a store stand: the newest seal of each stream of its audit, and the newest entry of its ledger.

Whoever keeps heads outside of the store can prove later that nothing up to them was removed, changed or put back: the
chain still has those hashes, or it does not.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

Head = tuple[int, str]
"""(seq of the last row that a seal covers, its hash); (0, "") where there is none. Of the ledger: how many entries, and
the hash of the last."""


class Heads(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The heads of the chains of one store at a moment (µs UTC). ``key`` is the fingerprint of the key of its seals; ""
    where who kept them did not know it."""

    store: str
    at: int
    read: Head
    write: Head
    ledger: Head
    key: str = ""

    def chains(self) -> dict[str, Head]:
        """The heads by the name of their chain."""
        return {"read": self.read, "write": self.write, "ledger": self.ledger}


class Anchor(Protocol):
    """A place outside of the store that keeps its newest heads."""

    def read(self) -> Heads | None:
        """The heads kept last, or None. Raises ``Invalid`` for what cannot be trusted."""

    def write(self, heads: Heads) -> None:
        """Keep newer heads."""


def lost_of(kept: Heads, store: str, hashes: dict[str, str]) -> list[str]:
    """What a store no longer has of heads that were kept. ``hashes`` has for each chain the hash that stands at the
    place of its head today, "" where nothing does."""
    if kept.store != store:
        return ["the checkpoint is of another store"]
    return [
        f"{name} up to {place}: not what the checkpoint holds"
        for name, (place, digest) in kept.chains().items()
        if place and hashes[name] != digest
    ]

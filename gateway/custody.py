"""What proves the audit and does not lie in the store: two keys, and where its chains stood.

All three are files of the folder of keys. The newest checkpoint there shows a loss at once; those that an operator
copies to a place that nobody here can write show it too when the folder of keys was put back with the store.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway import durable, keys
from gateway.errors import Invalid, Refused
from gateway.signin import statement
from gateway.store.heads import Heads

CHECKPOINT = "audit-checkpoint"
"""The file of the newest checkpoint, beside the keys."""


@dataclass(frozen=True)
class Custody:
    """The keys of a store's audit, and the place of its newest checkpoint."""

    folder: Path
    key: bytes
    signing: bytes

    def read(self) -> Heads | None:
        """The heads of the newest checkpoint, or None. Raises ``Invalid`` for one that this store did not sign."""
        try:
            text = (self.folder / CHECKPOINT).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise Invalid("the newest checkpoint cannot be read") from None
        return self.checked(text)

    def write(self, heads: Heads) -> None:
        """Sign heads as the newest checkpoint: it is written whole, or the one before stays."""
        durable.write_whole(self.folder / CHECKPOINT, self.signed(heads).encode("ascii") + b"\n")

    @property
    def public(self) -> dict[str, Any]:
        """The public half of the signing key, as a JWK: others check checkpoints with it."""
        return statement.public_key(self.signing)

    def signed(self, heads: Heads) -> str:
        """A checkpoint: heads, signed, as one line of text."""
        return statement.sign(self.signing, msgspec.to_builtins(msgspec.structs.replace(heads, key=self._fingerprint)))

    def require_key(self) -> None:
        """Raise ``Refused`` where the newest checkpoint names another key of the chains: seals under this one would
        break them for good."""
        with suppress(Invalid):  # which ``verify`` tells
            kept = self.read()
            if kept and kept.key not in ("", self._fingerprint):
                raise Refused(f"keys/{keys.AUDIT_CHAIN.name} is not the key of this audit: restore it from a backup")

    @property
    def _fingerprint(self) -> str:
        """What names the key of the chains and does not give it away; "" where it is not known."""
        return hmac.new(self.key, b"the key of the audit's chains", "sha256").hexdigest()[:32] if self.key else ""

    def checked(self, text: str) -> Heads:
        """The heads of a checkpoint. Raises ``Invalid`` for what this store did not sign."""
        try:
            return msgspec.json.decode(statement.signed(self.signing, text), type=Heads)
        except (Invalid, msgspec.MsgspecError):
            raise Invalid("a checkpoint that is not signed with the key of this store's audit") from None

    def checkpoints(self, path: Path) -> list[Heads]:
        """The checkpoints of a file, one a line. Raises ``Refused`` where there are none, ``Invalid`` as ``checked``
        does."""
        try:
            lines = path.read_text(encoding="ascii").split()
        except (OSError, ValueError):
            raise Refused("--against: the file cannot be read as checkpoints") from None
        if not lines:
            raise Refused("--against: the file holds no checkpoint")
        return [self.checked(line) for line in lines]


def is_begun(folder: Path) -> bool:
    """Whether the audit of a store has its keys. One of version 0.1 has none until it is opened for writing."""
    return keys.is_present(folder, keys.AUDIT_CHAIN)


def begin(folder: Path, heads: Heads) -> None:
    """Make the keys of an audit that stands at ``heads``. The key of the chains is written last: after an
    interruption all of it is made again."""
    signing = keys.read_or_create(folder, keys.AUDIT_SIGNING, statement.new_signing_key)
    Custody(folder, b"", signing).write(heads)
    keys.read_or_create(folder, keys.AUDIT_CHAIN, keys.new_secret)


def opened(folder: Path) -> Custody:
    """The keys of an audit. Raises ``Refused`` naming one that is missing or cannot be trusted."""
    return Custody(folder, keys.read(folder, keys.AUDIT_CHAIN), keys.read(folder, keys.AUDIT_SIGNING))

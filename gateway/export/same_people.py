"""Who of one release is who of another: known to nobody but the holder of the root key, to judge an attack by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from gateway import records
from gateway.errors import Refused
from gateway.export import standing
from gateway.nhs import pseudonym
from gateway.store import ledger
from gateway.store.session import Session


def release_of(session: Session, folder: Path) -> dict[str, Any]:
    """The ledger's entry of the release in a folder, by the hash of its manifest. Raises ``Refused`` for a folder that
    holds no release of this store."""
    try:
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    except OSError:
        raise Refused("the folder holds no manifest") from None
    for _, entry, _ in ledger.entries(session):
        if entry["manifest"] == digest:
            return entry
    raise Refused("the manifest is of no release in the ledger of this store")


def is_one_key(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two releases have the same pseudonyms."""
    return _key_names(entry) == _key_names(other)


def pairs(session: Session, root: bytes, entry: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """The pseudonym of everybody held in the one release, and in the other. Raises ``Refused`` for another root key
    than that of this store's exports."""
    standing.require_root(session, root)
    here, there = (HMAC(standing.key_of(release["pins"], root), SHA256()) for release in (entry, other))
    texts = (f"person:{name}".encode() for name, _ in records.names(session))
    return {pseudonym.pseudonym_of(here, text).decode(): pseudonym.pseudonym_of(there, text).decode() for text in texts}


def _key_names(entry: Mapping[str, Any]) -> tuple[str, str, int]:
    approved = entry["pins"]["approved"]
    return approved["controller"], approved["name"], entry["pins"]["key_version"]

"""Secret keys: files in the data folder's ``keys``, each created once and readable by its owner only."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import durable
from gateway.errors import Refused


@dataclass(frozen=True)
class Key:
    """A key's file name, and the size in bytes below which the file is damaged."""

    name: str
    least: int


EXPORT_ROOT = Key("export-root.key", 32)
"""The secret from which the pseudonym key of every project is derived."""
SANDBOX_ISSUER = Key("sandbox-issuer.pem", 1000)
"""The private key that signs the sandbox's tokens."""
NAMESPACE = Key("namespace", 36)
"""The namespace of the store's resource ids: with it, a store that is rebuilt makes the same ids."""

HOOKS = Key("hooks.key", 32)
"""The secret from which that of each subscription is derived, and under which the headers of its notifications lie."""

AUDIT = Key("audit", 36)
"""No secret, but the mark that the store's audit has a file: with it, a lost audit is not replaced by an empty one. It
holds the store's namespace."""

AUDIT_CHAIN = Key("audit-chain.key", 32)
"""The secret under which the chains of the audit are sealed: whoever has only the store cannot compute them again."""
AUDIT_SIGNING = Key("audit-signing.pem", 200)
"""The private key that signs the checkpoints of the audit."""


def new_export_root() -> bytes:
    """A new random root key."""
    return secrets.token_bytes(EXPORT_ROOT.least)


def new_secret() -> bytes:
    """A new random secret of 32 bytes."""
    return secrets.token_bytes(32)


def is_present(folder: Path, key: Key) -> bool:
    """Whether ``folder`` holds a file for the key, readable or not."""
    return os.path.lexists(folder / key.name)


def read_or_create(folder: Path, key: Key, create: Callable[[], bytes]) -> bytes:
    """Return the key in ``folder``; the first caller creates it with ``create()``.

    Processes that start together get the same key. Raises ``Refused``, naming the file, as ``read`` does.
    """
    if not is_present(folder, key):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            _publish(folder, key, create())
        except OSError:
            raise Refused(f"keys/{key.name} cannot be written to the data folder") from None
    return read(folder, key)


def read(folder: Path, key: Key) -> bytes:
    """Return the key in ``folder``. Raises ``Refused``, naming the file, when it cannot be read, when other users can
    read it, or when it is shorter than such a key can be."""
    return read_file(folder / key.name, f"keys/{key.name}", key.least, "restore it from a backup")


def read_file(path: Path, name: str, least: int, remedy: str) -> bytes:
    """Return the secret in a file. Raises ``Refused`` with the name that it is to be called by, as ``read`` does."""
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            secret = file.read()
    except OSError:
        raise Refused(f"{name} cannot be read") from None
    if mode & 0o077:
        raise Refused(f"{name} can be read by others: chmod 600 it")
    if len(secret) < least:
        raise Refused(f"{name} is empty or cut short (it needs {least} bytes): {remedy}")
    return secret


def _publish(folder: Path, key: Key, secret: bytes) -> None:
    """Give the key its name when it is whole and on disk, unless another process was first: then its key stands."""
    temporary = folder / f".{key.name}.{secrets.token_hex(8)}"
    try:
        durable.write(temporary, [secret])
        # A link, because a rename would replace the key of a process that was faster.
        os.link(temporary, folder / key.name)
    except FileExistsError:
        return
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync(folder)

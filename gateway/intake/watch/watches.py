"""What a watch is told: the ``watch`` table of a feed, checked key by key before anything is watched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from gateway.errors import Refused
from gateway.intake import unsealing
from mappings import Feed, Source

DONE, FAILED = "done", "failed"
"""Folders beside the deliveries: where loaded ones go, and refused ones."""
SFTP_PORT = 22


class Watching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``watch`` table of a feed. ``still_seconds`` is how long a file must stand still to be whole,
    ``every_hours`` how often extracts are made (0: nobody says), ``late_hours`` after how long without one the feed is
    late (0: never)."""

    source: str
    folder: str
    marker: str = ""
    still_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    look_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 30
    gaps: Literal["wait", "load"] = "wait"
    every_hours: Annotated[float, msgspec.Meta(ge=0)] = 0
    late_hours: Annotated[float, msgspec.Meta(ge=0)] = 48
    after: Literal["move", "leave", "delete"] = "move"
    key: str = ""
    key_passphrase_file: str = ""
    host_key: str = ""


@dataclass(frozen=True)
class Remote:
    """An SFTP server: who signs in where, with which key (a file), and the only key that the server may show."""

    user: str
    host: str
    port: int
    path: str
    key: str
    key_passphrase_file: str
    host_key: str


@dataclass(frozen=True)
class Watch:
    """A feed that is watched: its source, its settings, and the server (None: ``folder`` is a folder here)."""

    feed: Feed
    source: Source
    settings: Watching
    remote: Remote | None
    folder: Path


def opened(feed: Feed, sources: dict[str, Source], spool: Path) -> Watch:
    """Return the watch of a feed. Raises ``Refused`` naming the key that cannot be used."""
    place = f"GATEWAY_FEEDS: {feed.name}: watch"
    table = feed.settings.get("watch")
    if not isinstance(table, dict):
        raise Refused(f"{place} is no table")
    try:
        settings = msgspec.convert(table, Watching)
    except msgspec.ValidationError as error:
        raise Refused(f"{place}: {_key(str(error))}") from None
    if settings.source not in sources:
        raise Refused(f"{place}: source: there are {', '.join(sorted(sources))}")
    if "/" in settings.marker or settings.marker.count("*") > 1:
        raise Refused(f"{place}: marker is the name of a file, with at most one *")
    if feed.settings.get("pgp") is not None:
        unsealing.keys(feed)
        unsealing.require_gpg()
    remote = _remote(settings, place) if settings.folder.startswith("sftp:") else None
    folder = spool / f"fetched-{feed.name}" if remote else Path(settings.folder)
    if not remote:
        _check_folder(folder, settings, place)
    return Watch(feed, sources[settings.source], settings, remote, folder)


def _key(words: str) -> str:
    """The key that msgspec found wrong: in a path, or between backticks."""
    if "$." in words:
        return words.rpartition("$.")[2].rstrip("`")
    return words.split("`")[1] if words.count("`") > 1 else "a key"


def _check_folder(folder: Path, settings: Watching, place: str) -> None:
    """Raise ``Refused`` where the deliveries could not be read, or not be moved once they are loaded."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise Refused(f"{place}: folder is none that can be read")
    if settings.after != "leave" and not os.access(folder, os.W_OK):
        raise Refused(f'{place}: nothing can be moved out of the folder: set after = "leave"')
    if settings.key or settings.host_key or settings.key_passphrase_file:
        raise Refused(f"{place}: key and host_key are for a folder at sftp://")


def _remote(settings: Watching, place: str) -> Remote:
    """Return the server. Raises ``Refused`` where it could be taken for another, or has a password in its address."""
    try:
        parts = urlsplit(settings.folder)
        port = parts.port or SFTP_PORT
    except ValueError:
        raise Refused(f"{place}: folder is no address of an SFTP server") from None
    if not (parts.hostname and parts.username) or parts.password or parts.query or parts.fragment:
        raise Refused(f"{place}: folder is sftp://user@host/path, without a password")
    if len(settings.host_key.split()) < 2:
        raise Refused(f'{place}: host_key is the key that the server must show ("ssh-ed25519 AAAA…")')
    for name, path in (("key", settings.key), ("key_passphrase_file", settings.key_passphrase_file)):
        if (path or name == "key") and not Path(path).is_file():
            raise Refused(f"{place}: {name} is no file")
    path = unquote(parts.path).lstrip("/") if parts.path.startswith("/~/") else unquote(parts.path)
    path = path.removeprefix("~/") or "."
    return Remote(
        unquote(parts.username), parts.hostname, port, path, settings.key, settings.key_passphrase_file,
        settings.host_key,
    )  # fmt: skip

"""What a listener is told: the ``listen`` table of a feed, checked key by key, and its TLS.

Whoever may send is listed, by address or by client certificate, unless the listener is on this machine's own address
only: bytes from anywhere else would become a record.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from gateway.errors import Refused
from mappings import Feed

PORT = 2575
"""The port that IANA has for HL7."""
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]


class Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a message that is not mapped is acknowledged. AE and AR mean the opposite to different senders: which of the
    two makes one send again is the sender's documentation's to say. ``unavailable`` may be "": then there is no
    acknowledgement, the connection is closed, and every sender sends again."""

    unreadable: Literal["AA", "AE", "AR"] = "AE"
    unsupported: Literal["AA", "AE", "AR"] = "AR"
    refused: Literal["AE", "AR"] = "AR"
    reused: Literal["AA", "AE", "AR"] = "AE"
    unavailable: Literal["", "AE", "AR"] = ""


class Listening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``listen`` table of a feed. ``longest`` is in MiB, ``remembered_days`` how long a control id is known."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = PORT
    addresses: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    processing: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    client_authority: str = ""
    acknowledge: Literal["message", "original"] = "message"
    reused_ids: Literal["refuse", "take"] = "refuse"
    codes: Codes = Codes()
    longest: Annotated[int, msgspec.Meta(ge=1, le=32)] = 16
    connections: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 64
    backlog: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    idle_seconds: Seconds = 3600
    message_seconds: Seconds = 60
    acknowledge_seconds: Seconds = 20
    remembered_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 14


@dataclass(frozen=True)
class Listener:
    """A feed that listens: its settings, who may connect, and its TLS (None: plain TCP)."""

    feed: Feed
    settings: Listening
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    tls: ssl.SSLContext | None

    def is_welcome(self, address: str) -> bool:
        """Whether an address may connect."""
        if not self.networks:
            return True
        own = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(own, "ipv4_mapped", None) or own
        return any(mapped in network for network in self.networks)

    def is_client(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client certificate, as ``getpeercert`` gives it, is of a client that may send."""
        if not self.settings.clients:
            return True
        names = {value for part in (certificate or {}).get("subject", ()) for key, value in part if key == "commonName"}
        names |= {value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "DNS"}
        return not names.isdisjoint(self.settings.clients)

    def is_sender(self, application: str, facility: str) -> bool:
        """Whether MSH-3 and MSH-4 are of a system that may send."""
        allowed = self.settings.senders
        return not allowed or f"{application}|{facility}" in allowed or facility in allowed

    def takes(self, processing: str, is_sandbox: bool) -> bool:
        """Whether messages of this processing id (MSH-11) are taken: in a live store those of production only, unless
        the feed says otherwise."""
        allowed = self.settings.processing or (() if is_sandbox else ("P", ""))
        return not allowed or processing in allowed


def is_one(feed: Feed) -> bool:
    """Whether a feed's table says that it listens."""
    return "listen" in feed.settings


def opened(feed: Feed, host: str | None = None, port: int | None = None) -> Listener:
    """Return the listener of a feed; ``host`` and ``port`` go before its table. Raises ``Refused`` naming the key that
    cannot be used."""
    place = f"GATEWAY_FEEDS: {feed.name}: listen"
    table = feed.settings.get("listen", {})
    if not isinstance(table, dict):
        raise Refused(f"{place} is no table")
    asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = msgspec.convert({**table, **asked}, Listening)
        networks = tuple(ipaddress.ip_network(address) for address in settings.addresses)
    except msgspec.ValidationError as error:
        raise Refused(f"{place}: {_key(str(error))}") from None
    except ValueError:
        raise Refused(f"{place}: addresses") from None
    _check(settings, place)
    return Listener(feed, settings, networks, _tls(settings, place))


def _key(words: str) -> str:
    """The key that msgspec found wrong: unknown (between backticks), or of a value that does not fit (a path)."""
    path = words.rpartition("$.")[2].rstrip("`") if "$." in words else ""
    unknown = words.split("unknown field `")
    return ".".join(filter(None, [path, unknown[1].split("`")[0] if len(unknown) > 1 else ""])) or "a key"


def _check(settings: Listening, place: str) -> None:
    """Raise ``Refused`` for what would let anybody in, or nobody."""
    if bool(settings.certificate) != bool(settings.key):
        raise Refused(f"{place}: certificate and key go together")
    if settings.clients and not settings.client_authority:
        raise Refused(f"{place}: clients needs client_authority")
    if settings.client_authority and not settings.certificate:
        raise Refused(f"{place}: client_authority needs certificate")
    if not (settings.addresses or settings.client_authority or _is_own(settings.host)):
        raise Refused(f"{place}: beyond this machine, addresses or client_authority must say who may connect")


def _is_own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(settings: Listening, place: str) -> ssl.SSLContext | None:
    """TLS 1.2 or later. With ``client_authority`` a connection without a certificate of it is refused."""
    if not settings.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(Path(settings.certificate), Path(settings.key))
        if settings.client_authority:
            context.load_verify_locations(Path(settings.client_authority))
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise Refused(f"{place}: certificate, key or client_authority cannot be read") from None
    return context

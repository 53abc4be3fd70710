"""Whose address a request comes from, behind proxies that the operator trusts: the one that they forward, and nobody
else's word."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

FORWARDED = b"x-forwarded-for"
Address = IPv4Address | IPv6Address


class Forwarded:
    """Middleware that makes the last address of X-Forwarded-For which is no trusted proxy's the client of the request,
    where a trusted proxy sends it. What stands left of that address is anybody's word, and is not read. Where the item
    itself is no address the client stays the proxy: it would stand in the audit. No other header is read: our links
    begin with ``GATEWAY_BASE_URL``."""

    def __init__(self, app: ASGIApp, trusted: tuple[str, ...]) -> None:
        self._app = app
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(item) for item in trusted]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client") and self._is_trusted(address_of(scope["client"][0])):
            values = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED]
            if address := self._forwarded(",".join(values)):
                scope = {**scope, "client": (str(address), 0)}
        await self._app(scope, receive, send)

    def _forwarded(self, header: str) -> Address | None:
        """The first address from the right that is no trusted proxy's; where all are, the one furthest left. None where
        what stands there is no address."""
        address = None
        for item in reversed(header.split(",")):
            address = address_of(item)
            if not self._is_trusted(address):
                break
        return address

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def address_of(item: str) -> Address | None:
    """One item of the header as an address, without its port; None for anything else.

    >>> [str(address_of(item)) for item in ("192.0.2.1", " 192.0.2.1:4711", "[2001:db8::1]:4711", "[2001:db8::1]")]
    ['192.0.2.1', '192.0.2.1', '2001:db8::1', '2001:db8::1']
    >>> [address_of(item) for item in ("", "unknown", "fe80::1%eth0", "192.0.2.1:", "192.0.2.1:x", "[192.0.2.1]:1")]
    [None, None, None, None, None, None]
    """
    text = item.strip(" \t")
    if text.startswith("["):
        inside, _, after = text[1:].partition("]")
        is_address = ":" in inside and (not after or _is_port(after))
        text = inside if is_address else ""
    elif text.count(":") == 1:
        before, _, after = text.partition(":")
        text = before if _is_port(f":{after}") else ""
    if "%" in text:  # a scope is a word of the sender's, not an address
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6

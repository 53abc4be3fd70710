"""Whose address a request comes from, behind proxies that the operator trusts: the one that they forward, and nobody
else's word."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

FORWARDED = b"x-forwarded-for"
OTHERS = frozenset({b"x-forwarded-proto"})
"""What the library would read beside the address. Our links begin with ``GATEWAY_BASE_URL``."""


class Forwarded:
    """Middleware that makes the last address of X-Forwarded-For which is no trusted proxy's the client of the request,
    where a trusted proxy sends it. A header that is no list of addresses is as none: it would stand in the audit."""

    def __init__(self, app: ASGIApp, trusted: tuple[str, ...]) -> None:
        self._app = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            forwarded = [value for name, value in scope["headers"] if name == FORWARDED]
            dropped = OTHERS if _are_addresses(forwarded) else OTHERS | {FORWARDED}
            headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)  # type: ignore[arg-type]


def _are_addresses(values: list[bytes]) -> bool:
    try:
        return all(ip_address(text.strip()) for value in values for text in value.decode("ascii").split(","))
    except ValueError:
        return False

"""Compresses the answers of the FHIR API: a document is a tenth of its size.

BREACH (CVE-2013-3587) reads a secret from the sizes of compressed answers that hold both the secret and a text of the
attacker's. It needs a browser that adds the victim's credentials by itself. The FHIR API takes a bearer token that a
script must have, and no cookie, so nobody else's page can ask in a caller's name. Only its paths are compressed, which
answer with no credential. Our own pages, which take the cookie of a session and bear the token of a form, are not.
"""

from __future__ import annotations

import zlib

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST, LEVEL = 1400, 4
"""Bytes that fit into one packet anyway, and a level that costs some milliseconds a megabyte."""
LARGE, SAMPLES, SAMPLE, WORTH = 256 * 1024, 16, 1024, 0.5
"""Of an answer of many bytes some pieces are tried first. Where they stay larger than this part of themselves, it holds
letters and pictures in base64, of which a megabyte costs a fifth of a second and saves little."""
COMPRESSED, AS_SENT = "/fhir/", ("/fhir/Binary/",)
"""Where answers are compressed, and where contents are what a source sent: letters and pictures, mostly compressed."""


class Compression:
    """Middleware that compresses for who accepts gzip. It stands within what counts and stamps an answer, so that HEAD
    has the headers of GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(COMPRESSED) or path.startswith(AS_SENT):
            await self._app(scope, receive, send)
            return
        accepts = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        responder = _Responder(self._app, LEAST, LEVEL) if accepts else IdentityResponder(self._app, LEAST)
        await responder(scope, receive, send)


class _Responder(GZipResponder):
    """The framework's, but for what it is not worth it for."""

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        if self._compressor is None and not more_body and not is_worth_it(body):
            return body
        return await super().apply_compression(body, more_body=more_body)


def is_worth_it(body: bytes) -> bool:
    """Whether a body gets so much smaller that it is worth the time: a large one is judged by pieces of it."""
    if len(body) < LARGE:
        return True
    step = len(body) // SAMPLES
    pieces = b"".join(body[start : start + SAMPLE] for start in range(0, step * SAMPLES, step))
    return len(zlib.compress(pieces, LEVEL)) < WORTH * len(pieces)

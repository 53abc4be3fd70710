"""Compresses the answers of the FHIR API: a document is a tenth of its size.

BREACH (CVE-2013-3587) reads a secret from the sizes of compressed answers that hold both the secret and a text of the
attacker's. It needs a browser that adds the victim's credentials by itself. This API takes a bearer token that a script
must have, and no cookie, so nobody else's page can ask in a caller's name. What holds a credential is not compressed
all the same: only paths of the FHIR API are, which answer with none.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST, LEVEL = 1400, 4
"""Bytes that fit into one packet anyway, and a level that costs some milliseconds a megabyte."""
COMPRESSED, AS_SENT = "/fhir/", ("/fhir/Binary/",)
"""Where answers are compressed, and where contents are what a source sent: letters and pictures, mostly compressed."""


class Compression:
    """Middleware that compresses for who accepts gzip. It stands within what counts and stamps an answer, so that HEAD
    has the headers of GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._gzip = app, GZipMiddleware(app, minimum_size=LEAST, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_compressed = scope["type"] == "http" and path.startswith(COMPRESSED) and not path.startswith(AS_SENT)
        await (self._gzip if is_compressed else self._app)(scope, receive, send)

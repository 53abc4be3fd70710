"""Which web pages of other origins may call the API from a browser: those that the operator names, and none by default.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol. A page sends its own token in a header; credentials of the
browser are never asked for, so a page of an origin that is not named learns nothing that it could not ask itself.
"""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT = (
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Exist",
    "If-None-Match",
    "Prefer",
    "X-Request-ID",
)
"""Headers that a page may send, beside those that any may."""
READ = ("Content-Location", "ETag", "Last-Modified", "Location", "Retry-After", "X-Progress", "X-Request-ID")
"""Headers of an answer that a page may read."""
SECONDS = 600
"""How long a browser may remember what it was told."""


def allowing(app: ASGIApp, origins: tuple[str, ...]) -> CORSMiddleware:
    """The application, which tells browsers that pages of exactly these origins may call it."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=SENT,
        expose_headers=READ,
        allow_credentials=False,
        max_age=SECONDS,
    )

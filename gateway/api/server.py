"""How the application is served: by uvicorn, which keeps silent. Its own lines would name addresses, and an address
may name somebody."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

GRACE = 10
"""Seconds that requests have to end when the server is told to."""


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until interrupted."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )

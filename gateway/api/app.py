"""The application: settings and a store in, an ASGI app out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway import config, records, tokens
from gateway.api import bulk, errors, fhir, operations, sandbox, service
from gateway.api.envelope import Envelope
from gateway.errors import Refused
from gateway.nhs.roles import caller_from_claims
from gateway.store.database import Store, open_store
from gateway.terminology import sets as code_sets

SILENT = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""The framework sends no spans, whatever the environment asks for: they hold addresses, queries and the words of
exceptions."""


def create_app(settings: config.Settings, store: Store | None = None) -> FastAPI:
    """The gateway's application over a store. Raises ``Refused`` when it may not serve: the sandbox's issuer needs
    both a sandbox store and ``GATEWAY_SANDBOX=1``; a live store needs its code sets, and labels are of the sets in
    force."""
    store = store or open_store(settings.url)
    if store.is_sandbox != settings.sandbox:
        raise Refused("a sandbox store and GATEWAY_SANDBOX=1 go together; either alone does not serve")
    found = code_sets.load(sandbox=store.is_sandbox, own=settings.code_sets)
    records.require_sets(store, found)
    parts = [service, operations, bulk, fhir, *([sandbox] if store.is_sandbox else [])]
    routes = [
        route for part in parts for route in part.router.routes
    ]  # one flat list: a router within another is looked through at each request
    app = FastAPI(
        title="NHS record gateway",
        routes=routes,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=SILENT,
    )
    app.state.settings, app.state.base = settings, settings.at(config.HOST, config.PORT).base_url.rstrip("/") + "/fhir"
    app.state.door = records.open_door(store, found, audit=settings.data_dir / "audit.db")
    app.state.issuers = issuers(settings, store)
    app.state.requests = {}
    errors.install(app)
    service.mount_static(app)
    app.add_middleware(Envelope, limit=settings.body_limit)
    return app


def issuers(settings: config.Settings, store: Store) -> tokens.Issuers:
    """Who may vouch for callers: the configured OpenID issuers, and the sandbox's own where there is a sandbox."""
    found = [_issuer(name, table) for name, table in config.toml(settings.issuers, "GATEWAY_ISSUERS").items()]
    if store.is_sandbox and settings.sandbox:
        found.append(sandbox.issuer(settings))
    if not found:
        raise Refused("GATEWAY_ISSUERS names no issuer")
    return tokens.Issuers(found, caller_from_claims)


def _issuer(name: str, table: dict[str, Any]) -> tokens.Issuer:
    try:
        jwks = json.loads(Path(table["jwks"]).read_text(encoding="utf-8"))
        return tokens.Issuer(table["iss"], table["audience"], tuple(table["algorithms"]), jwks)
    except (KeyError, OSError, ValueError):
        raise Refused(f"GATEWAY_ISSUERS: {name}: iss, audience, algorithms and jwks (a file) are needed") from None

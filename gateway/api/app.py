"""The application: an open service in, an ASGI application out."""

from __future__ import annotations

from functools import partial
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute

from gateway import config, feeds, records
from gateway.api import (
    answer,
    attachments,
    authorize,
    bulk,
    caseloads,
    collecting,
    contributing,
    errors,
    fhir,
    finding_pages,
    interchange,
    operations,
    origins,
    oversight_routes,
    own_pages,
    permission_pages,
    rates,
    record_pages,
    sandbox,
    service,
    signing_in,
    subscribing,
    tokens,
    validating,
)
from gateway.api.compression import Compression
from gateway.api.envelope import Envelope
from gateway.api.forwarded import Forwarded
from gateway.composition import Service
from gateway.metrics import Metrics
from gateway.notify.keeping import Keeper
from gateway.signin import offered
from gateway.signin.launch import Launch

SILENT: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""The framework sends no spans, whatever the environment asks for: they hold addresses, queries and the words of
exceptions."""


def routes(*, is_sandbox: bool) -> list[BaseRoute]:
    """Every route that asks, in the order in which they are tried. One flat list: a router inside another is looked
    through at each request."""
    # A sandbox's own routes come first: their names would stand for a type.
    own = [sandbox, authorize] if is_sandbox else []
    pages = [service, signing_in, record_pages, finding_pages, permission_pages, own_pages, oversight_routes]
    reading = [*pages, tokens, operations, collecting, attachments, bulk, caseloads]
    parts = [*own, *reading, subscribing, validating, interchange, contributing, fhir]
    return [route for part in parts for route in part.router.routes]


def create_app(opened: Service, url: str = "", shared: Path | None = None) -> FastAPI:
    """The application of an open service. Its links begin with ``GATEWAY_BASE_URL``, or where that is not set with
    ``url``, the address of who listens. ``shared`` is the folder of what the processes of one server count
    together."""
    settings, store = opened.gateway.settings, opened.gateway.store
    app = FastAPI(
        title="NHS record gateway",
        routes=routes(is_sandbox=store.is_sandbox),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=SILENT,
    )
    url = settings.base_url or url or config.address(config.HOST, config.PORT)
    root = url.rstrip("/")
    app.state.settings, app.state.root, app.state.base = settings, root, root + "/fhir"
    app.state.defaults = feeds.defaults(settings)
    app.state.tokens, app.state.token_url = opened.tokens, root + offered.TOKEN
    app.state.launch = None
    if store.is_sandbox:
        app.state.launch = Launch(
            store, opened.gateway.sandbox_key(), app.state.base, root + offered.ISSUER, settings.session_idle
        )
    files_of = (settings.data_dir, settings.inbox_file, settings.watch_file)
    counts = Metrics(store, opened.door.audit, *files_of, shared=shared)
    app.state.door, app.state.issuers, app.state.metrics = opened.door, opened.issuers, counts
    app.state.keeper = Keeper(opened.door, opened.hooks, app.state.base)
    app.state.sessions, app.state.documents = opened.sessions, {}
    app.state.rates = rates.open_rates(settings, shared)
    app.state.readiness = service.Readiness(partial(records.check, opened.door))
    errors.install(app, answer.failed)
    app.mount("/static", StaticFiles(directory=str(files("gateway.web") / "static")), name="static")
    app.add_middleware(Compression)
    app.add_middleware(Envelope, limit=settings.body_limit)
    if settings.cors_origins:
        app.add_middleware(origins.allowing, origins=settings.cors_origins)
    if settings.trusted_proxies:
        app.add_middleware(Forwarded, trusted=settings.trusted_proxies)
    return app

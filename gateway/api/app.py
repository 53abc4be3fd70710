"""The application: an open service in, an ASGI application out."""

from __future__ import annotations

from functools import partial
from importlib.resources import files

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.telemetry import TelemetryConfig

from gateway import config, feeds, records
from gateway.api import (
    answer,
    attachments,
    authorize,
    bulk,
    collecting,
    contributing,
    errors,
    fhir,
    interchange,
    operations,
    origins,
    rates,
    record_pages,
    sandbox,
    service,
    signing_in,
    tokens,
    validating,
)
from gateway.api.compression import Compression
from gateway.api.envelope import Envelope
from gateway.api.forwarded import Forwarded
from gateway.composition import Service
from gateway.export.judgement import Judgements
from gateway.metrics import Metrics
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


def create_app(opened: Service, url: str = "") -> FastAPI:
    """The application of an open service. Its links begin with ``GATEWAY_BASE_URL``, or where that is not set with
    ``url``, the address of who listens."""
    settings, store = opened.gateway.settings, opened.gateway.store
    # A sandbox's own routes come first: their names would stand for a type.
    own = [sandbox, authorize] if store.is_sandbox else []
    reading = [service, signing_in, record_pages, tokens, operations, collecting, attachments, bulk]
    parts = [*own, *reading, validating, interchange, contributing, fhir]
    # One flat list: a router inside another is looked through at each request.
    routes = [route for part in parts for route in part.router.routes]
    app = FastAPI(
        title="NHS record gateway",
        routes=routes,
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
    counts = Metrics(store, opened.door.audit, settings.data_dir, settings.inbox_file, settings.watch_file)
    app.state.door, app.state.issuers, app.state.metrics = opened.door, opened.issuers, counts
    app.state.sessions, app.state.documents = opened.sessions, {}
    app.state.rates, app.state.judgements = rates.open_rates(settings), Judgements()
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

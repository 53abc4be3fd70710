"""Routes about the service itself: liveness, readiness, capabilities and metrics."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable

import msgspec
from fastapi import APIRouter, Request, Response

from gateway import __version__, feeds
from gateway.api import asked, negotiation, openapi
from gateway.api.answer import Form, page
from gateway.api.auth import Known, Paged
from gateway.api.errors import RETRY_SECONDS
from gateway.errors import Forbidden, GatewayError
from gateway.fhir import build, capability
from gateway.fhir.dates import moment
from gateway.fhir.parse import known
from gateway.intake.write import ACCEPTED
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.nhs import access
from gateway.notify.wish import TOPICS
from gateway.records import quality
from gateway.signin import offered
from gateway.web.quality_page import quality_page

router = APIRouter()
READY_SECONDS, CHECK_SECONDS = 1.0, 5.0
"""How long an answer to readiness holds, and how long it may take."""


@router.get("/livez")
async def live() -> Response:
    """Alive: the process answers. It needs no thread: threads may all be waiting for something."""
    return Response("ok", media_type="text/plain")


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """Answer 200 if the database can be read, the audit can be written and the code sets are present; otherwise 503
    with the name of the reason. Strangers ask too, so the checks run once a second at most."""
    reason = await request.app.state.readiness.reason()
    if reason:
        return Response(reason, 503, {"Retry-After": str(RETRY_SECONDS)}, media_type="text/plain")
    return Response("ok", media_type="text/plain")


class Readiness:
    """Whether the gateway is ready, as it was found within the last second. The check has a thread of its own, and a
    limit in time."""

    def __init__(self, check: Callable[[], None], seconds: float = READY_SECONDS):
        self._check, self._seconds = check, seconds
        self._until, self._reason = 0.0, ""
        self._running: asyncio.Task[str] | None = None

    async def reason(self) -> str:
        """Why the gateway is not ready, or ""."""
        if time.monotonic() < self._until:
            return self._reason
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(asyncio.to_thread(self._found))
        try:
            return await asyncio.wait_for(asyncio.shield(self._running), CHECK_SECONDS)
        except TimeoutError:
            return "slow"

    def _found(self) -> str:
        try:
            self._check()
        except GatewayError as error:
            self._reason = getattr(error, "code", "") or str(error)
        else:
            self._reason = ""
        self._until = time.monotonic() + self._seconds
        return self._reason


@router.get("/fhir/metadata")
def metadata(request: Request) -> Response:
    """https://hl7.org/fhir/R4/http.html#capabilities: the CapabilityStatement, for anybody."""
    pairs = asked.in_query(request)
    form = Form(request, pairs)
    known(pairs)
    return _once(request, f"metadata {form.kind} {form.is_pretty}", lambda: form.answer(_statement(request)))


def _statement(request: Request) -> bytes:
    state = request.app.state
    has_cors = bool(state.settings.cors_origins)
    endpoints = offered.endpoints(state.tokens, state.root, launches=state.launch is not None)
    statement = capability.statement(
        __version__, state.base, endpoints, has_cors=has_cors, written=ACCEPTED, topics=_topics(request)
    )
    return build.encode(statement)


def _topics(request: Request) -> tuple[str, ...]:
    """The topics that a system can subscribe to; none where no notification goes anywhere."""
    return tuple(TOPICS) if request.app.state.keeper.hooks else ()


@router.get("/openapi.json")
def openapi_document(request: Request) -> Response:
    """https://spec.openapis.org/oas/v3.1.0: what this server answers, for generators and testers, for anybody."""
    return _once(request, "openapi", lambda: Response(_described(request), media_type="application/json"))


def _described(request: Request) -> bytes:
    state = request.app.state
    has_cors = bool(state.settings.cors_origins)
    return msgspec.json.encode(openapi.document(request.app.routes, __version__, state.base, has_cors=has_cors))


def _once(request: Request, name: str, make: Callable[[], Response]) -> Response:
    """A document for anybody, which is the same as long as the process runs: made once, and not sent to who has it."""
    documents: dict[str, Response] = request.app.state.documents
    if name not in documents:
        response = make()
        tag = hashlib.sha256(response.body).hexdigest()[:32]
        response.headers.update({"ETag": f'W/"{tag}"', "Cache-Control": "no-cache"})
        documents[name] = response
    headers, body = dict(documents[name].headers), bytes(documents[name].body)
    if headers["etag"].removeprefix("W/") in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={name: headers[name] for name in ("etag", "cache-control")})
    return Response(body, headers=headers)


@router.get("/metrics")
def metrics(request: Request, caller: Known) -> Response:
    """https://prometheus.io/docs/instrumenting/exposition_formats/: what an alarm can use, for whoever may run the
    gateway. No label ever holds an id, a code or a place."""
    refusal = access.before_lookup(caller, access.Act("jobs"), access.Facts.of_nobody(0))
    if refusal:
        raise Forbidden("metrics are for operators", refusal.code)
    counts: Metrics = request.app.state.metrics
    return Response(counts.text(), media_type=CONTENT_TYPE)


@router.get("/quality")
def data_quality(request: Request, caller: Paged) -> Response:
    """How good the data of each publisher is, as a page or as JSON, for whoever may run the gateway. It counts, and
    names nobody."""
    pairs = asked.in_query(request)
    kind = negotiation.chosen(request, pairs, negotiation.HTML)
    known(pairs)
    door, settings = request.app.state.door, request.app.state.settings
    publishers, sources = quality.ask(door, caller, request.state.id, feeds.list_sizes(settings))
    by_publisher, by_source = [row.as_dict() for row in publishers], [row.as_dict() for row in sources]
    if kind == negotiation.HTML:
        return page(quality_page(by_publisher, by_source, moment(door.store.clock()), quality.CAUSES))
    return Response(build.encode({"publishers": by_publisher, "sources": by_source}), media_type="application/json")

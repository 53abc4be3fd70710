"""Routes about the service itself: liveness, readiness, capabilities and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway import __version__, records
from gateway.api import asked
from gateway.api.auth import Known
from gateway.api.errors import FHIR_JSON
from gateway.errors import Forbidden, GatewayError
from gateway.fhir import build, capability
from gateway.nhs import access

router = APIRouter()


@router.get("/livez")
def live() -> Response:
    """Alive: the process answers."""
    return Response("ok", media_type="text/plain")


@router.get("/readyz")
def ready(request: Request) -> Response:
    """Answer 200 if the database can be read, the audit can be written and the code sets are present; otherwise 503
    with the name of the reason."""
    try:
        records.check(request.app.state.door)
    except GatewayError as error:
        return Response(str(error), 503, media_type="text/plain")
    return Response("ok", media_type="text/plain")


@router.get("/fhir/metadata")
def metadata(request: Request) -> Response:
    """https://hl7.org/fhir/R4/http.html#capabilities: the CapabilityStatement, for anybody."""
    asked.takes(request, asked.in_query(request))
    statement = capability.statement(version=__version__, url=request.app.state.base)
    return Response(build.encode(statement), media_type=FHIR_JSON)


@router.get("/metrics")
def metrics(request: Request, caller: Known) -> Response:
    """https://prometheus.io/docs/instrumenting/exposition_formats/: counts by route, method and status, for whoever may
    run the gateway. No label ever holds an id, a code or a place."""
    refusal = access.before_lookup(caller, access.Act("jobs"), access.Facts.of_nobody(0))
    if refusal:
        raise Forbidden("metrics are for operators", refusal.code)
    lines = ["# TYPE gateway_http_requests_total counter"]
    for (route, method, status), count in sorted(request.app.state.requests.items()):
        lines.append(f'gateway_http_requests_total{{route="{route}",method="{method}",status="{status}"}} {count}')
    return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

"""Errors as OperationOutcomes: one table, and no value that was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway import errors, log
from gateway.fhir.issues import Issue

JSON, XML = "application/fhir+json", "application/fhir+xml"
"""The media types, as they are asked for."""
FHIR_JSON = f"{JSON}; charset=utf-8"
"""The content type of an answer (R4, http: "SHALL explicitly set the character encoding")."""
RETRY_SECONDS = 5

STATUS: dict[type[errors.GatewayError], tuple[int, str]] = {
    errors.Invalid: (400, "invalid"),
    errors.Unsupported: (400, "not-supported"),
    errors.Unauthenticated: (401, "login"),
    errors.Forbidden: (403, "forbidden"),
    errors.Gone: (410, "deleted"),
    errors.NotFound: (404, "not-found"),
    errors.NotAcceptable: (406, "not-supported"),
    errors.NotAllowed: (405, "not-supported"),
    errors.Conflict: (409, "conflict"),
    errors.Stale: (412, "conflict"),
    errors.Unprocessable: (422, "processing"),
    errors.TooLarge: (413, "too-long"),
    errors.WrongMedia: (415, "not-supported"),
    errors.Refused: (400, "business-rule"),
    errors.Throttled: (429, "throttled"),
    errors.Unavailable: (503, "transient"),
}


def outcome(code: str, text: str, detail: str = "") -> bytes:
    """An OperationOutcome of one issue; ``detail`` is a machine-readable code of ours."""
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [_issue(code, text, detail)]})


def outcome_of(issues: Iterable[Issue]) -> bytes:
    """An OperationOutcome of issues, each with its place."""
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [_placed(issue) for issue in issues]})


def _placed(issue: Issue) -> dict[str, Any]:
    place = {"expression": [issue.location]} if issue.location else {}
    words = f"{issue.location}: {issue.message}" if issue.location else issue.message
    return {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"text": issue.message},
        "diagnostics": words,
        **place,
    }


def _issue(code: str, text: str, detail: str) -> dict[str, Any]:
    """One issue. The words stand in ``diagnostics`` too, where common clients look for them."""
    details: dict[str, Any] = {"text": text}
    if detail and detail != code:
        details = {"coding": [{"system": "urn:nhs-record-gateway:refusal", "code": detail}], "text": text}
    return {"severity": "error", "code": code, "details": details, "diagnostics": text}


UNAUTHENTICATED = "A bearer token of one selected role is needed, and this request has none that holds."
"""The same answer whatever is wrong with a token, so that a stranger learns nothing from it."""


def _of(error: errors.GatewayError) -> tuple[int, str]:
    """The row of a failure in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


Failed = tuple[bytes, int, dict[str, str]]
"""An OperationOutcome in JSON, the status, headers."""


def of(error: errors.GatewayError) -> Failed:
    """Return what is answered to a failure."""
    status, code = _of(error)
    if status == 401:
        return outcome(code, UNAUTHENTICATED), status, {"WWW-Authenticate": "Bearer"}
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unprocessable):
        return outcome_of(error.issues), status, headers
    if isinstance(error, errors.NotAllowed):
        headers = {"Allow": "GET, HEAD"}
    if status == 503:
        headers = {"Retry-After": str(RETRY_SECONDS)}
    if isinstance(error, errors.Throttled):
        headers = {"Retry-After": str(error.seconds)}
    return outcome(code, str(error), getattr(error, "code", "")), status, headers


def install(app: FastAPI, answer: Callable[[Request, Failed], Response]) -> None:
    """Register handlers that answer every failure by the table, in the form that ``answer`` gives it. They are
    coroutines: a failure is answered also when every thread is busy."""

    @app.exception_handler(errors.GatewayError)
    async def ours(request: Request, error: errors.GatewayError) -> Response:
        if isinstance(error, errors.Unavailable):
            log.event("unavailable", reason=error.code)
        request.app.state.metrics.refused(getattr(error, "code", "") or _of(error)[1])
        return answer(request, of(error))

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        code = {404: "not-found", 405: "not-supported", 413: "too-long"}.get(error.status_code, "invalid")
        headers = dict(error.headers or {})
        if headers.get("allow", headers.get("Allow")) == "GET":
            headers = {"Allow": "GET, HEAD"}
        return answer(request, (outcome(code, "no such interaction"), error.status_code, headers))

    @app.exception_handler(RequestValidationError)
    async def shape(request: Request, error: RequestValidationError) -> Response:
        places = sorted(
            {str(fault["loc"][-1]) for fault in error.errors() if fault["loc"][0] != "body" or len(fault["loc"]) > 1}
        )
        where = f": {', '.join(places)}" if places else ""
        return answer(request, (outcome("invalid", f"the request is not of the right shape{where}"), 400, {}))


def bug() -> Response:
    """An exception that is not in the table is a bug. The answer does not contain its message."""
    return Response(outcome("exception", "the gateway failed; the failure is logged"), 500, media_type=FHIR_JSON)

"""Errors as OperationOutcomes: one table, and no value that was sent."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway import errors

FHIR_JSON = "application/fhir+json"

STATUS: dict[type[errors.GatewayError], tuple[int, str]] = {
    errors.Invalid: (400, "invalid"),
    errors.Unsupported: (400, "not-supported"),
    errors.Unauthenticated: (401, "login"),
    errors.Forbidden: (403, "forbidden"),
    errors.Gone: (410, "deleted"),
    errors.NotFound: (404, "not-found"),
    errors.NotAcceptable: (406, "not-supported"),
    errors.Conflict: (409, "conflict"),
    errors.TooLarge: (413, "too-long"),
    errors.WrongMedia: (415, "not-supported"),
    errors.Refused: (400, "business-rule"),
    errors.Throttled: (429, "throttled"),
    errors.Unavailable: (503, "transient"),
}


def outcome(code: str, text: str, detail: str = "") -> bytes:
    """An OperationOutcome of one issue; ``detail`` is a machine-readable code of ours."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": text}}
    if detail and detail != code:
        issue["details"] = {"coding": [{"system": "urn:nhs-record-gateway:refusal", "code": detail}], "text": text}
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})


UNAUTHENTICATED = "A bearer token of one selected role is needed, and this request has none that holds."
"""The same answer whatever is wrong with a token, so that a stranger learns nothing from it."""


def respond(error: errors.GatewayError) -> Response:
    """Return the response for a failure."""
    status, code = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status == 401:
        return Response(outcome(code, UNAUTHENTICATED), status, {"WWW-Authenticate": "Bearer"}, FHIR_JSON)
    headers = {"Retry-After": "5"} if status in (429, 503) else {}
    return Response(outcome(code, str(error), getattr(error, "code", "")), status, headers, FHIR_JSON)


def install(app: FastAPI) -> None:
    """Register handlers that answer every failure by the table."""

    @app.exception_handler(errors.GatewayError)
    def ours(_request: Request, error: errors.GatewayError) -> Response:
        return respond(error)

    @app.exception_handler(HTTPException)
    def framework(_request: Request, error: HTTPException) -> Response:
        code = {404: "not-found", 405: "not-supported", 413: "too-long"}.get(error.status_code, "invalid")
        return Response(outcome(code, "no such interaction"), error.status_code, error.headers, FHIR_JSON)

    @app.exception_handler(RequestValidationError)
    def shape(_request: Request, error: RequestValidationError) -> Response:
        places = sorted(
            {str(fault["loc"][-1]) for fault in error.errors() if fault["loc"][0] != "body" or len(fault["loc"]) > 1}
        )
        return Response(outcome("invalid", "the request is not of the right shape" + (f": {', '.join(places)}" if places else "")), 400,
                        media_type=FHIR_JSON)  # fmt: skip


def bug() -> Response:
    """An exception that is not in the table is a bug. The answer does not contain its message."""
    return Response(outcome("exception", "the gateway failed; the failure is logged"), 500, media_type=FHIR_JSON)

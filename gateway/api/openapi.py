"""The OpenAPI document, made from the tables that route, search and authorise, so that it cannot promise anything else.

Source: https://spec.openapis.org/oas/v3.1.0. What searches of a type take is read from the CapabilityStatement, which
is made from THE TABLE of search parameters; who may, from THE TABLE of roles.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from gateway.api import asked, bulk, caseloads, collecting, operations
from gateway.api.auth import PUBLIC
from gateway.api.errors import JSON, STATUS, XML
from gateway.fhir import capability, params, parse
from gateway.fhir.parse import FORM
from gateway.fhir.portion import NAMES as PORTION
from gateway.fhir.subset import NAMES as SUBSET
from gateway.nhs import caseload, roles
from gateway.notify import keeping

NDJSON, HTML, TEXT, BYTES, PLAIN_JSON = "application/fhir+ndjson", "text/html", "text/plain", "*/*", "application/json"
PATCHES = ("application/json-patch+json",)
TYPE, ANY_TYPE = "{resource_type}", "resource_type"
COMPARTMENT = "/fhir/{resource_type}/{id_}/{inner}"
_ADDRESS = re.compile(r"(https?://\S+?)[:,]? +")
_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Row:
    """What the document says of a route beside its path: the act that policy is asked for, the parameters of its query,
    those of its body or the media types of what it is sent, and the media types of its answer."""

    act: str = ""
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    answers: tuple[str, ...] = (JSON, XML)
    status: int = 200


_SHAPE = tuple(sorted(FORM))
_PART = (*SUBSET, *_SHAPE)
_SUMMARY = tuple(operations.VALUES)
_EXPORT = tuple(bulk.VALUES)
_RESOURCE = (JSON, XML)
_PROOF = ("client_assertion_type", "client_assertion")
_TOKEN = ("grant_type", "scope", *_PROOF, "code", "redirect_uri", "client_id", "code_verifier", "refresh_token")
_LAUNCH = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "code_challenge", "code_challenge_method",
    "launch", "nonce",
)  # fmt: skip
_COLLECT = tuple(dict.fromkeys((*collecting.EVERYTHING, *PORTION)))
ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/livez"): Row(answers=(TEXT,)),
    ("GET", "/readyz"): Row(answers=(TEXT,)),
    ("GET", "/openapi.json"): Row(answers=(PLAIN_JSON,)),
    ("GET", "/"): Row(answers=(HTML,)),
    ("GET", "/signin"): Row(query=("to",), answers=(HTML,)),
    ("POST", "/signin"): Row(body=("token", "to", "user", "provider"), answers=(HTML,)),
    ("GET", "/signin/{name}/back"): Row(query=("code", "state", "iss", "error"), answers=(HTML,)),
    ("POST", "/signin/{name}/logout"): Row(body=("logout_token",), answers=()),
    ("GET", "/signin/role"): Row(answers=(HTML,)),
    ("POST", "/signin/role"): Row(body=("token", "role"), answers=(HTML,)),
    ("POST", "/signout"): Row(body=("token",), answers=(HTML,)),
    ("GET", "/record/{id_}"): Row("shared", answers=(HTML,)),
    ("POST", "/record"): Row("shared", body=("token", "number"), answers=(HTML,)),
    ("GET", "/alerts"): Row("audit", ("state",), answers=(HTML,)),
    ("GET", "/alerts/{id_}"): Row("audit", answers=(HTML,)),
    ("POST", "/alerts/{id_}"): Row("audit", body=("token", "state", "note"), answers=(HTML,)),
    ("POST", "/find"): Row(
        "search", body=("token", "family", "given", "born", "sex", "postcode"), answers=(HTML,)
    ),
    ("GET", "/permission"): Row("permit", answers=(HTML,)),
    ("POST", "/permission"): Row(
        "permit", body=("token", "number", "basis", "reason", "until", "confirmed"), answers=(HTML,), status=201
    ),
    ("GET", "/my/looked"): Row("looked", ("days",), answers=(HTML,)),
    ("GET", "/my/choices"): Row("choices", answers=(HTML,)),
    ("GET", "/metrics"): Row("jobs", answers=(TEXT,)),
    ("GET", "/quality"): Row("jobs", ("_format",), answers=(PLAIN_JSON, HTML)),
    ("GET", "/fhir/metadata"): Row(query=_SHAPE),
    ("GET", "/fhir/Patient/{id_}/$summary"): Row("shared", ("profile", "view", *_SHAPE), answers=(JSON, XML, HTML)),
    ("GET", "/fhir/Patient/$summary"): Row("shared", (*_SUMMARY, *_SHAPE), answers=(JSON, XML, HTML)),
    ("POST", "/fhir/Patient/{id_}/$summary"): Row("shared", _SHAPE, ("profile", "view"), answers=(JSON, XML, HTML)),
    ("POST", "/fhir/Patient/$summary"): Row("shared", _SHAPE, _SUMMARY, answers=(JSON, XML, HTML)),
    ("GET", "/fhir/Patient/{id_}/$everything"): Row("everything", (*_COLLECT, *_SHAPE)),
    ("POST", "/fhir/Patient/{id_}/$everything"): Row("everything", _SHAPE, tuple(collecting.EVERYTHING)),
    ("GET", "/fhir/DocumentReference/$docref"): Row("search", (*collecting.DOCREF, *_SHAPE)),
    ("POST", "/fhir/DocumentReference/$docref"): Row("search", _SHAPE, tuple(collecting.DOCREF)),
    ("GET", "/fhir/Observation/$lastn"): Row("search", (*collecting.LASTN, *_SHAPE)),
    ("POST", "/fhir/Observation/$lastn"): Row("search", _SHAPE, tuple(collecting.LASTN)),
    ("GET", "/fhir/Binary/{id_}"): Row("read", _SHAPE, answers=(BYTES, JSON, XML)),
    ("POST", "/fhir/Subscription"): Row("subscribe", _SHAPE, sent=_RESOURCE, status=201),
    ("GET", "/fhir/Subscription"): Row("subscribe", (*keeping.PARAMETERS, *_SHAPE)),
    ("GET", "/fhir/Subscription/{id_}"): Row("subscribe", _SHAPE),
    ("GET", "/fhir/Subscription/{id_}/$status"): Row("subscribe", _SHAPE),
    ("PUT", "/fhir/Subscription/{id_}"): Row("subscribe", _SHAPE, sent=_RESOURCE),
    ("DELETE", "/fhir/Subscription/{id_}"): Row("subscribe", _SHAPE, status=204),
    ("GET", "/fhir/$export"): Row("export", _EXPORT, status=202),
    ("GET", "/fhir/Patient/$export"): Row("export", _EXPORT, status=202),
    ("POST", "/fhir/$export"): Row("export", body=_EXPORT, status=202),
    ("POST", "/fhir/Patient/$export"): Row("export", body=_EXPORT, status=202),
    ("GET", "/fhir/bulk/{job}"): Row("export", answers=(PLAIN_JSON,)),
    ("GET", "/fhir/bulk/{job}/{name}"): Row("export", answers=(NDJSON,)),
    ("DELETE", "/fhir/bulk/{job}"): Row("export", status=202),
    ("GET", "/fhir/Group"): Row("caseload", (*caseload.CRITERIA, *_PART)),
    ("POST", "/fhir/Group/_search"): Row("caseload", _PART, caseload.CRITERIA),
    ("GET", "/fhir/Group/{id_}"): Row("caseload", _PART),
    ("GET", "/fhir/Group/{id_}/$changes"): Row("caseload", (*caseloads.CHANGES, *_SHAPE)),
    ("GET", "/fhir/{resource_type}/{id_}"): Row("read", _PART),
    ("GET", "/fhir/{resource_type}/{id_}/_history/{version}"): Row("vread", _PART),
    ("GET", "/fhir/{resource_type}/{id_}/_history"): Row("history", ("_since", "_at", "_count", "_cursor", *_PART)),
    ("GET", COMPARTMENT): Row("search", _PART),
    ("GET", "/fhir/{resource_type}"): Row("search"),
    ("POST", "/fhir/{resource_type}/_search"): Row("search"),
    ("POST", COMPARTMENT + "/_search"): Row("search"),
    ("POST", "/fhir/{resource_type}"): Row("create", _SHAPE, sent=_RESOURCE, status=201),
    ("PUT", "/fhir/{resource_type}/{id_}"): Row("update", _SHAPE, sent=_RESOURCE),
    ("PUT", "/fhir/{resource_type}"): Row("update", _SHAPE, sent=_RESOURCE),
    ("PATCH", "/fhir/{resource_type}/{id_}"): Row("update", _SHAPE, sent=PATCHES),
    ("PATCH", "/fhir/{resource_type}"): Row("update", _SHAPE, sent=PATCHES),
    ("DELETE", "/fhir/{resource_type}/{id_}"): Row("delete", _SHAPE, status=204),
    ("DELETE", "/fhir/{resource_type}"): Row("delete", _SHAPE, status=204),
    ("POST", "/fhir"): Row("create", _SHAPE, sent=_RESOURCE),
    ("POST", "/fhir/"): Row("create", _SHAPE, sent=_RESOURCE),
    ("POST", "/fhir/{resource_type}/$validate"): Row("validate", ("profile", "mode", *_SHAPE), sent=_RESOURCE),
    ("POST", "/fhir/{resource_type}/{id_}/$validate"): Row("validate", ("profile", "mode", *_SHAPE), sent=_RESOURCE),
    ("POST", "/fhir/$reset"): Row("delete", _SHAPE),
    ("POST", "/auth/token"): Row(body=_TOKEN, answers=(PLAIN_JSON,)),
    ("POST", "/auth/introspect"): Row(body=("token", *_PROOF), answers=(PLAIN_JSON,)),
    ("POST", "/auth/revoke"): Row(body=("token", *_PROOF), answers=()),
    ("GET", "/auth/jwks"): Row(answers=(PLAIN_JSON,)),
    ("GET", "/fhir/.well-known/smart-configuration"): Row(answers=(PLAIN_JSON,)),
    ("GET", "/auth/authorize"): Row(query=_LAUNCH, answers=(HTML,)),
    ("POST", "/auth/authorize"): Row(body=_LAUNCH, answers=(HTML,)),
    ("POST", "/sandbox/pack"): Row("create", sent=(PLAIN_JSON,)),
    ("POST", "/launch"): Row("search", body=("token", "app", "number", "encounter"), answers=(HTML,)),
    ("GET", "/auth/.well-known/openid-configuration"): Row(answers=(PLAIN_JSON,)),
    ("GET", "/fhir/Practitioner/sandbox-{user}"): Row("read", _SHAPE),
    ("POST", "/sandbox/permission"): Row("permit", answers=(), sent=(PLAIN_JSON,), status=201),
}  # fmt: skip
"""THE TABLE of routes. A test wants a row for each, and asks each of them whether its act is the one decided."""


def document(routes: Iterable[BaseRoute], version: str, url: str, *, has_cors: bool = False) -> dict[str, Any]:
    """https://spec.openapis.org/oas/v3.1.0#openapi-object

    The document of a server whose FHIR base is ``url``. A route of any type is told of once for each type that is
    served."""
    statement = capability.statement(version, url, has_cors=has_cors)
    taken = {
        resource["type"]: {param["name"]: param["type"] for param in resource.get("searchParam", ())}
        for resource in statement["rest"][0]["resource"]
    }
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, APIRoute):
            for method, type_ in _told(route):
                path = _IN_PATH.sub(lambda name: f"{{{name[1].rstrip('_')}}}", route.path.replace(TYPE, type_ or TYPE))
                paths.setdefault(path, {})[method.lower()] = _operation(route, method, type_, taken.get(type_, {}))
    return {
        "openapi": "3.1.0",
        "info": {"title": "NHS record gateway", "version": version, "description": DESCRIPTION},
        "servers": [{"url": url.removesuffix("/fhir")}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {"Resource": RESOURCE, "Parameters": RESOURCE},
            "responses": {str(status): _failure(status) for status, _ in STATUS.values()},
        },
    }


DESCRIPTION = (
    "Reads the linked record of a person. Each answer is decided, limited and audited: what is not the caller's is as "
    "what is not there. The CapabilityStatement at `/fhir/metadata` says the same in FHIR."
)
RESOURCE = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"type": "string"}}}
KINDS = {
    "date": "a date, with a prefix such as `ge`",
    "token": "code, system|code, |code or system|",
    "reference": "Type/id or id",
}
"""What a parameter of each kind holds."""


def _told(route: APIRoute) -> Iterator[tuple[str, str]]:
    """(method, type) of what a route answers; the type is "" where its path names none."""
    types: Sequence[str] = params.SEARCHABLE if TYPE in route.path else ("",)
    if route.path.startswith(COMPARTMENT):  # served of Patient alone
        types = ("Patient",)
    for method in sorted((route.methods or set()) - {"HEAD"}):
        for type_ in types:
            yield method, type_


def _operation(route: APIRoute, method: str, type_: str, taken: dict[str, str]) -> dict[str, Any]:
    row = ROWS[method, route.path]
    summary, address = _words(route)
    is_search = TYPE in route.path and row.act == "search"
    taken = {} if route.path.startswith(COMPARTMENT) else taken  # there it is the inner type that is searched
    names = row.query if not is_search else _shared() if method == "POST" else (*dict.fromkeys((*taken, *_shared())),)
    fields = (
        ({**taken, **dict.fromkeys(parse._CONTROLS, "")} if is_search else dict.fromkeys(row.body, ""))
        if method == "POST"
        else {}
    )
    operation: dict[str, Any] = {
        "operationId": _name(method, route.path.replace(TYPE, type_)),
        "summary": summary,
        "parameters": [*_in_path(route), *(_parameter(name, taken.get(name, "")) for name in names)],
        "responses": _responses(row),
    }
    if address:
        operation["externalDocs"] = {"url": address}
    if type_:
        operation["tags"] = [type_]
    if fields:
        operation["requestBody"] = _body(fields, is_search or route.path in PUBLIC)
    elif row.sent:
        schemas = {PATCHES[0]: {"type": "array"}, PLAIN_JSON: {"type": "object"}}
        content = {
            media: {"schema": schemas.get(media, {"$ref": "#/components/schemas/Resource"})} for media in row.sent
        }
        operation["requestBody"] = {"required": True, "content": content}
    if route.path in PUBLIC:
        operation["security"] = []
    elif row.act:
        operation["description"] = f"Decided as `{row.act}`. {_who(row.act, type_)}"
    return operation


def _name(method: str, path: str) -> str:
    """A name of an operation, of the words of its path."""
    return "-".join([method.lower(), *re.findall(r"\w+", path), *(["root"] if path.endswith("/") else [])])


def _shared() -> tuple[str, ...]:
    """The parameters that a search of every type takes."""
    return tuple(parse._CONTROLS)


def _words(route: APIRoute) -> tuple[str, str]:
    """The first sentence of a route's docstring, and the address that it begins with."""
    words = " ".join((inspect.getdoc(route.endpoint) or "").split("\n\n")[0].split())
    match = _ADDRESS.match(words)
    rest = words[match.end() :] if match else words
    return rest.partition(". ")[0].rstrip("."), match[1] if match else ""


def _in_path(route: APIRoute) -> list[dict[str, Any]]:
    names = [name for name in _IN_PATH.findall(route.path) if name != ANY_TYPE]
    schema = {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}
    return [{"name": name.rstrip("_"), "in": "path", "required": True, "schema": schema} for name in names]


def _parameter(name: str, kind: str) -> dict[str, Any]:
    described = {"description": KINDS[kind]} if kind in KINDS else {}
    return {"name": name, "in": "query", "schema": {"type": "string"}, **described}


def _body(fields: Iterable[str], is_form: bool) -> dict[str, Any]:
    form = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in fields},
        "additionalProperties": False,
    }
    content: dict[str, Any] = {asked.FORM: {"schema": form}}
    if not is_form:
        content |= {media: {"schema": {"$ref": "#/components/schemas/Parameters"}} for media in (JSON,)}
    return {"content": content}


def _responses(row: Row) -> dict[str, Any]:
    schemas = {JSON: {"$ref": "#/components/schemas/Resource"}, PLAIN_JSON: {"type": "object"}}
    content = {media: {"schema": schemas.get(media, {"type": "string"})} for media in row.answers}
    good = {"description": "the answer", **({"content": content} if content and row.status == 200 else {})}
    failures = {str(status): {"$ref": f"#/components/responses/{status}"} for status, _ in STATUS.values()}
    return {str(row.status): good, **failures}


def _failure(status: int) -> dict[str, Any]:
    code = next(code for other, code in STATUS.values() if other == status)
    return {
        "description": f"OperationOutcome: {code}",
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Resource"}}},
    }


def _who(act: str, type_: str) -> str:
    """The roles, with the activities, whose rows let them do an act."""
    if type_ in roles.DIRECTORY:
        return "Any known role with an activity."
    rows = [rule for rule in roles.RULES if act in rule.acts and roles.opens(rule, type_)]
    named = sorted(
        f"{roles.ROLES.get(role, 'system client')}{f' ({rule.activity})' if rule.activity else ''}"
        for rule in rows
        for role in rule.roles
    )
    return f"Roles: {', '.join(dict.fromkeys(named))}." if named else "No role."

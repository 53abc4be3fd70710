"""Reads the parameters of an operation from the body of its request: a form, or a Parameters resource.

https://hl7.org/fhir/R4/operations.html#request
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from gateway.api import asked
from gateway.errors import Invalid, Unsupported
from gateway.fhir import build

Pairs = list[tuple[str, str]]
Values = Mapping[str, tuple[str, ...]]
"""The parameters that an operation knows, and how each may be typed."""


def in_body(request: Request, sent: bytes, values: Values) -> Pairs:
    """The parameters of the URL and of the body, which is a form, a Parameters resource or nothing."""
    if asked.is_form(request):
        return asked.in_form(request, sent)
    query = asked.in_query(request)
    is_empty = not sent and request.headers.get("content-type") is None
    return query if is_empty else query + _parameters(request, sent, values)


def most(request: Request) -> int:
    """The bytes that a body of parameters may have."""
    return asked.MOST_OF_FORM if asked.is_form(request) else asked.MOST_OF_JSON


def _parameters(request: Request, sent: bytes, values: Values) -> Pairs:
    try:
        resource = build.decode(asked.resource(request, sent))
        if resource.get("resourceType", "Parameters") != "Parameters":
            raise Invalid("Parameters")
        return [_parameter(parameter, values) for parameter in resource.get("parameter", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("Parameters: each parameter once, with a value of its type") from None


def _parameter(parameter: dict[str, Any], values: Values) -> tuple[str, str]:
    """One parameter as a form would hold it. An unknown one is refused without its name, which in a body may be
    anything."""
    name = parameter["name"]
    if name not in values:
        *names, last = values
        raise Unsupported(f"Parameters: only {', '.join(names)} and {last} are known")
    (value,) = (parameter[key] for key in values[name] if key in parameter)
    return name, _text(value)


def _text(value: Any) -> str:
    """A value as a form would hold it: a boolean or a number as JSON writes it, a coded one as ``system|code``
    (without a system it is one of any, as a form says it), a reference as what it refers to."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case {"coding": [_, *_] as codings}:
            return ",".join(_token(coding) for coding in codings)
        case {"code": str()}:
            return _token(value)
        case {"reference": str() as text}:
            return text
        case {"value": str() as text}:
            return f"{value.get('system', '')}|{text}"
    raise TypeError


def _token(coding: Mapping[str, str]) -> str:
    return f"{coding['system']}|{coding['code']}" if "system" in coding else coding["code"]

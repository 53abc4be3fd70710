"""Each public interaction begins with the address of its specification, so that a reader can compare the two.

Interactions are the routes, what a route asks the doors for in the name of a caller, the functions by which the rooms
of standards read and write what a standard describes, and the readers of the sources.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

import mappings
from gateway import config, records
from gateway.care import permission
from gateway.composition import create_gateway, open_service
from gateway.export import client
from gateway.fhir import bundle, capability, codes, dates, files, model, narrative, parse
from gateway.signin import issue, statement, verify
from gateway.summary import document

OURS = {
    "/livez": "asked by process managers",
    "/readyz": "asked by process managers",
    "/quality": "counts for operators, of our own",
    "/sandbox/pack": "a sandbox's own: R4 has no scenarios",
    **dict.fromkeys(
        (
            "/",
            "/signin",
            "/signin/role",
            "/record",
            "/record/{id_}",
            "/permission",
            "/find",
            "/my/looked",
            "/my/choices",
        ),
        "a page for people, of our own",
    ),  # fmt: skip
    **dict.fromkeys(("/alerts", "/alerts/{id_}"), "a page for privacy officers, of our own"),
    "/sandbox/permission": "stands in for a national service, in a sandbox only",
    "/fhir/$reset": "lets a tester begin anew, in a sandbox only",
    "care.permission.permit": "what the page and the route of the sandbox do",
    "care.permission.checked": "what the page asks before anything is confirmed",
    "records.refuse_early": "no interaction, but the beginning of each",
    "records.refuse_person_early": "no interaction, but the beginning of each",
}
"""Routes and functions of our own, which no specification describes."""
STANDARDS = {
    bundle: ("searchset", "history"), capability: ("statement",), codes: ("tokens",), dates: ("interval",),
    files: ("validate",), model: ("check",), parse: ("parse",), document: ("summary_document",),
    narrative: ("fault",), issue: ("issue", "public_jwks"), statement: ("public_key",), verify: ("verify",),
}  # fmt: skip
"""The functions that do what one page of a standard describes."""


def functions(module: ModuleType) -> dict[str, Callable[..., object]]:
    """The public functions of a module, or those that a package makes its own, by their name in the house."""
    name = module.__name__.removeprefix("gateway.")
    named = {
        key: value for key, value in vars(module).items() if key[0] != "_" and inspect.isfunction(inspect.unwrap(value))
    }
    exported = getattr(module, "__all__", None)
    return {
        f"{name}.{key}": function
        for key, function in named.items()
        if (key in exported if exported else function.__module__ == module.__name__)
    }


def asked_by_routes() -> Iterator[tuple[str, Callable[..., object]]]:
    """What the doors answer to a caller, under the id of a request."""
    for module in (records, permission, client):
        for name, function in functions(module).items():
            parameters = inspect.signature(function).parameters
            if "caller" in parameters and parameters.keys() & {"request", "request_id"}:
                yield name, function


INTERACTIONS = {
    **dict(asked_by_routes()),
    **{f"{module.__name__}.{name}": getattr(module, name) for module, names in STANDARDS.items() for name in names},
    **{f"mappings.{name}": source.read for name, source in mappings.sources().items()},
}


@pytest.mark.parametrize("name", sorted(INTERACTIONS.keys() - OURS.keys()))
def test_an_interaction_begins_with_the_address_of_its_specification(name):
    assert (inspect.getdoc(INTERACTIONS[name]) or "").startswith("https://")


def test_a_route_begins_with_the_address_of_its_specification(tmp_path):
    from gateway.api.app import create_app

    settings = config.Settings(data_dir=tmp_path, sandbox=True)
    with create_gateway(settings, "sandbox") as gateway, open_service(gateway) as service:
        routes = [route for route in create_app(service).routes if hasattr(route, "endpoint")]
    silent = {route.path for route in routes if not (route.endpoint.__doc__ or "").startswith("https://")}
    assert len(routes) > 15 and silent <= OURS.keys()
    assert OURS.keys() <= {route.path for route in routes} | INTERACTIONS.keys(), "a reason that nothing needs"


@pytest.mark.parametrize("module", [records, client, *STANDARDS], ids=lambda module: module.__name__)
def test_whoever_names_an_address_in_these_modules_begins_with_it(module):
    for name, function in functions(module).items():
        words = (inspect.getdoc(function) or "").partition(">>>")[0]
        assert not re.search("https?://", words) or words.startswith("https://"), name

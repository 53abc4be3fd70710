"""The CapabilityStatement, made from the tables that are searched and indexed by, so that it cannot promise anything
else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from gateway.fhir import params, parse
from gateway.fhir.matching import clauses
from gateway.fhir.r4.defined import Definition

DEFINITION = "http://hl7.org/fhir/SearchParameter/"
INTERACTIONS = ("read", "vread", "history-instance", "search-type")
WRITES = ("create", "update", "patch", "delete")
SYSTEM_WRITES = ("transaction", "batch")
CONDITIONAL = {"conditionalCreate": True, "conditionalUpdate": True, "conditionalDelete": "single"}
DATE = "2026-11-28"
SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
NONE: Mapping[str, str] = MappingProxyType({})
COMBINATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
"""The extension that says which parameters must be asked together."""
PLAIN, UK_CORE = "http://hl7.org/fhir/StructureDefinition/", "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
PERSON = (
    "A search names one person: `patient` (one Patient resource, and what its source holds), `patient.identifier` "
    "(an NHS number: all that every source holds of the person) or `_id`; or a list of people: `_list`. Patient.link "
    "leads to the person's other Patients."
)
PATIENT = (
    "A search needs `identifier`, `_id`, `_list`, or two of `family`, `given` and `birthdate`. Send an NHS number in "
    "the body of a POST."
)

BINARY = {
    "type": "Binary", "interaction": [{"code": "read"}],
    "documentation": "A content that a DocumentReference holds. `$docref` answers with its address.",
}  # fmt: skip
LISTED = (
    "The people on a Group: what is known of each of them, as a search that names them alone would find it. Also "
    "written `patient._has:Group:member:_id` (for Patient without `patient.`), and R5's `patient._in=Group/[id]`."
)
CASELOAD = (
    "The caseload of the caller's organisation: the people with whom it has a relationship now, and the only Group "
    "there is for them. It is made at each request and has no history. `$changes` answers with what has changed of all "
    "of them since its last link."
)
GROUP = {
    "type": "Group", "interaction": [{"code": "read"}, {"code": "search-type"}], "documentation": CASELOAD,
    "searchParam": [
        {"name": name, "definition": f"{DEFINITION}Group-{name}", "type": kind}
        for name, kind in (("actual", "token"), ("identifier", "token"), ("member", "reference"), ("type", "token"))
    ],
    "operation": [{"name": "changes", "definition": "urn:nhs-record-gateway:operation:group-changes"}],
}  # fmt: skip
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/"
TOPIC = f"{BACKPORT}StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
"""The extension that says which topics there are."""
SUBSCRIPTION = (
    "A system client keeps its own. The channel is rest-hook, to a host that the operator has listed. A change is told "
    "where it matches as the subscriber is shown it; no resource is sent. Notifications are signed as Standard "
    "Webhooks asks. The search parameters compare whole values."
)
VALIDATE = ("validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate")
OPERATIONS = {
    "Patient": (
        ("summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
        ("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"),
        ("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export"),
    ),
    "DocumentReference": (("docref", "http://hl7.org/fhir/us/core/OperationDefinition/docref"),),
    "Observation": (("lastn", "http://hl7.org/fhir/OperationDefinition/Observation-lastn"),),
}
"""Type → (name, definition) of its operations, beside that of all types."""


def statement(
    version: str,
    url: str,
    endpoints: Mapping[str, str] = NONE,
    *,
    has_cors: bool = False,
    written: Collection[str] = (),
    topics: Collection[str] = (),
) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/http.html#capabilities

    The CapabilityStatement of this server at ``url``, where contributors write the types ``written`` and systems
    subscribe to ``topics`` (and to criteria). ``endpoints`` are the addresses of its own sign-in, as SMART names them
    (``token``, ``authorize``)."""
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": DATE, "kind": "instance",
        "software": {"name": "NHS record gateway", "version": version},
        "implementation": {"description": "Linked GP, hospital and social-care records", "url": url},
        "instantiates": ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"],
        "fhirVersion": "4.0.1", "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "rest": [{
            "mode": "server",
            "security": {
                **_oauth_uris(endpoints),
                "cors": has_cors,
                "service": [{"coding": [{"system": SERVICE, "code": code}]} for code in ("OAuth", *(["SMART-on-FHIR"] if endpoints else []))],
                "description": "A bearer token of a known issuer; every answer is decided, limited and audited.",
            },
            "documentation": _documentation(),
            "resource": [
                *(_resource(name, name in written) for name in params.SEARCHABLE), GROUP, BINARY, *_subscription(url, topics)
            ],
            **({"interaction": [{"code": code} for code in SYSTEM_WRITES]} if written else {}),
            "operation": [_operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export")],
        }],
    }  # fmt: skip


def _oauth_uris(endpoints: Mapping[str, str]) -> dict[str, Any]:
    """https://hl7.org/fhir/smart-app-launch/conformance.html#declaring-support-for-oauth2-endpoints"""
    inner = [{"url": name, "valueUri": address} for name, address in endpoints.items()]
    return {"extension": [{"url": OAUTH_URIS, "extension": inner}]} if inner else {}


def _documentation() -> str:
    """What is said of searches of every type."""
    taken = {kind: (clauses.MISSING, *module.MODIFIERS) for kind, module in sorted(clauses.KINDS.items())}
    listed = "; ".join(f"{kind}: {' '.join(f'`:{modifier}`' for modifier in names)}" for kind, names in taken.items())
    return (
        f"Modifiers by kind of parameter: {listed}; reference: `:[type]`. Chains and `_has` follow at most "
        f"{parse.MOST_HOPS} references. `_sort` takes at most {parse.MOST_KEYS} parameters. `:in`, `:not-in`, `:above` "
        "and `:below` are refused by name. Whatever is not known is refused, unless `Prefer: handling=lenient` is sent."
    )


def _resource(name: str, is_written: bool) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "type": name,
        "interaction": [{"code": code} for code in (*INTERACTIONS, *(WRITES if is_written else ()))],
        "profile": PLAIN + name, "supportedProfile": [UK_CORE + name],
        "versioning": "versioned", "readHistory": True, "updateCreate": is_written, "conditionalRead": "full-support",
        **(CONDITIONAL if is_written else {}),
        "searchParam": [_parameter(row) for row in params.searchable(name).values()],
    }  # fmt: skip
    together = _together(name)
    if together:
        resource["extension"] = [_combination(names) for names in together]
        resource["documentation"] = PATIENT if name == "Patient" else PERSON
    if params.about(name):
        resource["searchParam"].append(
            {
                "name": "patient.identifier",
                "type": "token",
                "documentation": "The person's NHS number, as system|value.",
            }
        )
    if params.listing(name):
        resource["searchParam"].append({"name": "_list", "type": "special", "documentation": LISTED})
    if include := [f"{name}:{param}" for param in params.includes(name)]:
        resource["searchInclude"] = include
    if referring := [f"{source}:{param}" for source, param in params.referring(name)]:
        resource["searchRevInclude"] = referring
    resource["operation"] = [_operation(*row) for row in (VALIDATE, *OPERATIONS.get(name, ()))]
    return resource


def _subscription(url: str, topics: Collection[str]) -> list[dict[str, Any]]:
    """https://hl7.org/fhir/uv/subscriptions-backport/conformance.html: the topics are told by an extension."""
    if not topics:
        return []
    return [{
        "extension": [{"url": TOPIC, "valueCanonical": f"{url}/SubscriptionTopic/{name}"} for name in topics],
        "type": "Subscription",
        "interaction": [{"code": code} for code in ("read", "create", "update", "delete", "search-type")],
        "versioning": "versioned-update",
        "profile": f"{PLAIN}Subscription", "supportedProfile": [f"{BACKPORT}StructureDefinition/backport-subscription"],
        "documentation": SUBSCRIPTION,
        "searchParam": [
            {"name": "_id", "type": "token"}, {"name": "status", "type": "token"}, {"name": "url", "type": "uri"},
            {"name": "criteria", "type": "string"},
        ],
        "operation": [_operation("status", f"{BACKPORT}OperationDefinition/backport-subscription-status")],
    }]  # fmt: skip


def _parameter(row: Definition) -> dict[str, Any]:
    parameter = {"name": row.name, "definition": DEFINITION + row.id, "type": row.kind}
    narrower = params.OURS.get((row.type, row.name))
    return parameter | ({"documentation": f"Reads {narrower} only."} if narrower else {})


def _together(name: str) -> tuple[tuple[str, ...], ...]:
    """The parameters of a type of which one group must be asked; () where each may be asked alone."""
    if name == "Patient":
        return (
            ("identifier",),
            ("_id",),
            ("family", "given"),
            ("family", "birthdate"),
            ("given", "birthdate"),
            ("_list",),
        )
    return (("patient",), ("patient.identifier",), ("_id",), ("_list",)) if params.about(name) else ()


def _combination(names: tuple[str, ...]) -> dict[str, Any]:
    return {"url": COMBINATION, "extension": [{"url": "required", "valueString": name} for name in names]}


def _operation(name: str, definition: str) -> dict[str, Any]:
    return {"name": name, "definition": definition}

"""A fake of the PDS FHIR API, application-restricted, as its specification and examples describe it.

Source: NHSDigital/personal-demographics-service-api (``specification/``): shapes, codes and statuses; no file of it is
here. It answers for synthetic people only.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from jose import jwt

from gateway.nhs.identifiers import is_valid

SPINE = "https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode"
STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
DEATH = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-DeathNotificationStatus"
BASE = "/personal-demographics/FHIR/R4"
KNOWN = {"family", "given", "gender", "birthdate", "address-postalcode", "_fuzzy-match", "_exact-match", "_max-results"}


@dataclass(frozen=True)
class Someone:
    """A person as PDS holds them. ``replaced_by`` is the number that superseded theirs."""

    number: str
    family: str = "Fernsby"
    given: str = "Ann"
    gender: str = "female"
    born: str = "1980-02-03"
    postcode: str = "ZE1 0AA"
    security: str = "U"
    death: str = ""
    died: str = ""
    replaced_by: str = ""
    invalidated: bool = False


@dataclass
class Fake:
    """What it holds and what happened: the requests that came, and answers to give before any other."""

    people: dict[str, Someone] = field(default_factory=dict)
    public_key: str = ""
    client: str = "an-api-key"
    troubles: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    lifetime: int = 599
    url: str = ""

    def hold(self, people: Iterable[Someone]) -> None:
        self.people |= {someone.number: someone for someone in people}


def outcome(status: int, code: str, **headers: str) -> JSONResponse:
    """An OperationOutcome of Spine."""
    coding = {"system": SPINE, "version": "1", "code": code, "display": code}
    severity = "information" if code in ("RESOURCE_NOT_FOUND", "TOO_MANY_MATCHES") else "error"
    issue = {"severity": severity, "code": "value", "details": {"coding": [coding]}}
    return JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, status, headers)


def patient(someone: Someone) -> dict[str, Any]:
    """A Patient of PDS; a restricted one has no place."""
    verified = {"url": STATUS, "valueCodeableConcept": {"coding": [{"code": "01"}]}}
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": someone.number,
        "identifier": [
            {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": someone.number, "extension": [verified]}
        ],
        "meta": {"versionId": "2", "security": [{"code": someone.security}] if someone.security else []},
        "name": [{"id": "123", "use": "usual", "given": [someone.given], "family": someone.family}],
        "gender": someone.gender,
        "birthDate": someone.born,
    }
    if someone.security == "U":
        resource["address"] = [{"use": "home", "postalCode": someone.postcode}]
    if someone.death:
        notice = {"url": "deathNotificationStatus", "valueCodeableConcept": {"coding": [{"code": someone.died}]}}
        resource |= {"deceasedDateTime": someone.death, "extension": [{"url": DEATH, "extension": [notice]}]}
    return resource


def create(fake: Fake) -> FastAPI:
    """The API over what the fake holds."""
    app = FastAPI()

    @app.post("/oauth2/token")
    async def token(request: Request):
        form = dict(parse_qsl((await request.body()).decode()))
        client_assertion = form.get("client_assertion", "")
        try:
            header = jwt.get_unverified_header(client_assertion)
            claims = jwt.decode(client_assertion, fake.public_key, algorithms=["RS512"], audience=str(request.url))
        except Exception:
            return JSONResponse({"error": "invalid_client"}, 401)
        is_right = claims["iss"] == claims["sub"] == fake.client and claims["jti"] and header["kid"] == "test-1"
        if not is_right or not 0 < claims["exp"] - time.time() <= 300 or form["grant_type"] != "client_credentials":
            return JSONResponse({"error": "invalid_request"}, 400)
        fake.tokens.append(uuid.uuid4().hex)
        return {"access_token": fake.tokens[-1], "expires_in": str(fake.lifetime), "token_type": "Bearer"}

    def refusal(request: Request) -> JSONResponse | None:
        fake.requests.append(
            {"path": request.url.path, "query": request.query_params.multi_items(), "headers": dict(request.headers)}
        )
        if fake.troubles:
            status, headers = fake.troubles.pop(0)
            return outcome(status, "TOO_MANY_REQUESTS" if status == 429 else "UNABLE_TO_CALL_SERVICE", **headers)
        if fake.public_key and request.headers.get("authorization") != f"Bearer {(fake.tokens or [''])[-1]}":
            return outcome(401, "ACCESS_DENIED")
        try:
            uuid.UUID(request.headers.get("x-request-id", ""))
        except ValueError:
            return outcome(400, "MISSING_VALUE")
        return None

    @app.get(BASE + "/Patient/{number}")
    def retrieve(number: str, request: Request):
        if refused := refusal(request):
            return refused
        if not is_valid(number):
            return outcome(400, "INVALID_RESOURCE_ID")
        someone = fake.people.get(number)
        if someone is None:
            return outcome(404, "RESOURCE_NOT_FOUND")
        if someone.invalidated:
            return outcome(404, "INVALIDATED_RESOURCE")
        return JSONResponse(patient(fake.people[someone.replaced_by or number]))

    @app.get(BASE + "/Patient")
    def search(request: Request):
        if refused := refusal(request):
            return refused
        query = dict(request.query_params)
        if set(query) - KNOWN:
            return outcome(400, "ADDITIONAL_PROPERTIES")
        if not {"family", "birthdate"} <= set(query) or query.get("_max-results", "1") != "1":
            return outcome(400, "INVALID_SEARCH_DATA")
        matches = sorted(
            ((score(someone, query), someone) for someone in fake.people.values()), key=lambda match: -match[0]
        )
        matches = [match for match in matches if match[0] > 0]
        if len(matches) > 1:
            return outcome(200, "TOO_MANY_MATCHES")
        entries = [
            {
                "fullUrl": f"{fake.url}/Patient/{someone.number}",
                "search": {"score": found},
                "resource": patient(someone),
            }
            for found, someone in matches
        ]
        return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}

    return app


def score(someone: Someone, query: dict[str, str]) -> float:
    """How closely a person matches; 0 for not at all. A search by postcode never finds a restricted person."""
    postcode = query.get("address-postalcode", "").replace(" ", "").upper()
    if someone.replaced_by or someone.invalidated or (postcode and someone.security != "U"):
        return 0
    if query["birthdate"].removeprefix("eq") != someone.born or query.get("gender", someone.gender) != someone.gender:
        return 0
    same = [
        query["family"].lower() == someone.family.lower(),
        query.get("given", someone.given).lower() == someone.given.lower(),
        not postcode or postcode == someone.postcode.replace(" ", "").upper(),
    ]
    if all(same):
        return 1
    alike = SequenceMatcher(None, query["family"].lower(), someone.family.lower()).ratio()
    return round(0.9 * alike, 4) if query.get("_fuzzy-match") == "true" and alike > 0.7 and any(same) else 0


@contextmanager
def served(fake: Fake, port: int = 0):
    """Serve a fake on this machine while the block runs; ``fake.url`` is its base."""
    server = uvicorn.Server(uvicorn.Config(create(fake), host="127.0.0.1", port=port, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield fake
    server.should_exit = True
    thread.join(5)

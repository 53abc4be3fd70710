"""A client of the Personal Demographics Service (PDS FHIR API), application-restricted: one patient by number, or one
unique match by demographics.

Source: NHSDigital/personal-demographics-service-api, ``specification/``. The token is fetched by a signed assertion and
used until it is about to end. Every request carries an id of its own, and that of its run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.egress import Origin, Reply
from gateway.errors import Refused
from gateway.signin import assertion

SPARE = 30_000_000
"""µs before its end at which a token is fetched anew."""
MOST_LETTERS = 35
"""The longest name that the API takes."""

NOT_THERE = {
    "RESOURCE_NOT_FOUND": "not-found",
    "INVALIDATED_RESOURCE": "invalidated",
    "INVALID_RESOURCE_ID": "not-found",
}
"""Error code → the outcome of a trace by number (``nhs.traced``)."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where PDS is and how this gateway signs in: ``base`` ends before ``/Patient``, ``token`` is the token endpoint,
    ``client`` the API key, ``kid`` the name of the registered key. Without a ``token`` no token is sent (a local
    fake)."""

    base: str
    token: str = ""
    client: str = ""
    kid: str = ""
    key: bytes = field(default=b"", repr=False)
    organisation: str = ""
    per_second: float = 4


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched by: as the record says it, the birth date as YYYY-MM-DD."""

    family: str
    forename: str
    born: str
    gender: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What PDS answered: a Patient, or why there is none (an outcome of ``nhs.traced``). ``score`` is 1 for an exact
    match."""

    patient: dict[str, Any] | None = None
    outcome: str = ""
    score: float = 1


class Pds:
    """An open client. ``clock`` gives µs UTC."""

    def __init__(self, access: Access, origin: Origin, tokens: Origin | None, clock: Callable[[], int]):
        self._access, self._origin, self._tokens, self._clock = access, origin, tokens, clock
        self._token, self._until = "", 0
        self.run = str(uuid.uuid4())

    def by_number(self, number: str, request: str) -> Answer:
        """Ask for one patient. A superseded number answers with another's Patient: its ``id`` is not the one asked.

        Raises ``Refused`` where PDS refuses this gateway, ``Throttled`` and ``Unavailable`` as ``Origin.get``.
        """
        reply = self._get(f"Patient/{number}", (), request)
        if reply.status == 200 and reply.body.get("resourceType") == "Patient":
            return Answer(reply.body)
        return Answer(outcome=NOT_THERE.get(_code(reply)) or _unexpected(reply))

    def by_demographics(self, search: Search, request: str, *, fuzzy: bool) -> Answer:
        """Search for one unique match: an exact one, or with ``fuzzy`` one that sounds alike. Raises as
        ``by_number``."""
        parameters = [("family", search.family), ("given", search.forename), ("birthdate", f"eq{search.born}")]
        parameters += [
            (name, value)
            for name, value in (("gender", search.gender), ("address-postalcode", search.postcode))
            if value
        ]
        parameters += [("_fuzzy-match" if fuzzy else "_exact-match", "true"), ("_max-results", "1")]
        reply = self._get("Patient", parameters, request)
        if reply.status == 200 and _code(reply) == "TOO_MANY_MATCHES":
            return Answer(outcome="many")
        if reply.status != 200 or reply.body.get("resourceType") != "Bundle":
            return Answer(outcome=_unexpected(reply))
        entries = [
            entry for entry in _objects(reply.body, "entry") if _resource(entry).get("resourceType") == "Patient"
        ]
        if len(entries) != 1:
            return Answer(outcome="many" if entries else "none")
        return Answer(_resource(entries[0]), score=_score(entries[0]))

    def _get(self, path: str, parameters: Sequence[tuple[str, str]], request: str) -> Reply:
        """One request; a token that is no longer taken is fetched anew, once."""
        reply = self._origin.get(path, parameters, self._headers(request))
        if reply.status == 401 and self._token:
            self._token = ""
            reply = self._origin.get(path, parameters, self._headers(request))
        if reply.status in (401, 403):
            raise Refused("PDS refuses this gateway: the key, its name or its permissions are not as registered")
        return Reply(reply.status, _without_nulls(reply.body))

    def _headers(self, request: str) -> dict[str, str]:
        headers = {"X-Request-ID": request, "X-Correlation-ID": self.run, "Accept": "application/fhir+json"}
        if self._access.organisation:
            headers["NHSD-End-User-Organisation-ODS"] = self._access.organisation
        if token := self._fresh_token():
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _fresh_token(self) -> str:
        if self._tokens is None:
            return ""
        if not self._token or self._clock() > self._until - SPARE:
            access = self._access
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": assertion.KIND,
                "client_assertion": assertion.signed(
                    access.key, access.client, access.kid, access.token, self._clock()
                ),
            }
            reply = self._tokens.post(access.token.rpartition("/")[2], form)
            self._token = str(reply.body.get("access_token", ""))
            seconds = str(reply.body.get("expires_in", ""))
            if reply.status != 200 or not self._token or not seconds.isdigit():
                raise Refused("the token endpoint of PDS refuses this gateway's assertion")
            self._until = self._clock() + int(seconds) * 1_000_000
        return self._token


def _code(reply: Reply) -> str:
    """The Spine error code of an OperationOutcome; "" for another body."""
    if reply.body.get("resourceType") != "OperationOutcome":
        return ""
    for issue in _objects(reply.body, "issue"):
        for coding in _objects(issue.get("details"), "coding"):
            return str(coding.get("code", ""))
    return ""


def _objects(parent: object, name: str) -> list[dict[str, Any]]:
    """The objects of a list, whatever else stands there."""
    listed = parent.get(name) if isinstance(parent, dict) else None
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _resource(entry: dict[str, Any]) -> dict[str, Any]:
    resource = entry.get("resource")
    return resource if isinstance(resource, dict) else {}


def _score(entry: dict[str, Any]) -> float:
    search = entry.get("search")
    score = search.get("score", 0) if isinstance(search, dict) else 0
    return float(score) if isinstance(score, (int, float)) else 0.0


def _unexpected(reply: Reply) -> str:
    """The outcome of an answer that is none: the question of this one record is rejected, or the answer unreadable."""
    return "rejected" if 400 <= reply.status < 500 else "unreadable"


def _without_nulls(element: Any) -> Any:
    """JSON without null, which FHIR knows only beside an extension of a primitive."""
    if isinstance(element, dict):
        return {name: _without_nulls(value) for name, value in element.items() if value is not None}
    if isinstance(element, list):
        return [_without_nulls(value) for value in element if value is not None]
    return element

"""How a region's bulk server is asked: discovery, sign-in, kick-off, status, files, and that it may forget the job.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html and https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlencode

from gateway.egress import Origin, Reply, origin_of
from gateway.errors import Refused, Unavailable
from gateway.pull.region import Region
from gateway.signin.assertion import KIND, signed

MANIFEST_BYTES = 64_000_000
FILE_BYTES = 16_000_000_000
LEAST_SECONDS = 30
"""A token that ends within these seconds is not used any more."""
LATEST_POLL, USUAL_POLL = 300, 5
"""Seconds between two questions at most, and where the server names none."""
Opener = Callable[[str], Origin]


@dataclass(frozen=True, slots=True)
class Progress:
    """How a job stands: its manifest once it is complete, else the seconds after which to ask again."""

    manifest: dict[str, Any] | None
    seconds: int = USUAL_POLL


class Lost(Unavailable):
    """The server does not know the job any more, it failed, or its files are not given any more: it has to be started
    again."""


GONE = frozenset({404, 409, 410})
"""The statuses of a file after which the export has to be started again."""


class Conversation:
    """A conversation with one region. Used as a context manager, it closes its connections. ``open_`` opens an origin,
    ``clock`` is µs UTC."""

    def __init__(self, region: Region, clock: Callable[[], int], open_: Opener = Origin):
        self._region, self._clock, self._open = region, clock, open_
        self._stack, self._lock = ExitStack(), threading.RLock()
        self._origins: dict[str, Origin] = {}
        self._smart: dict[str, Any] = {}
        self._token, self._ends = "", 0

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kick_off(self, since: str) -> str:
        """Ask for an export of what changed since an instant, or of all, and return the address of its status."""
        region = self._region
        pairs = [("_type", ",".join(region.types))] if region.types else []
        pairs += [("_since", since)] if since else []
        path = f"{region.base}/Group/{region.group}/$export" if region.group else f"{region.base}/$export"
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        reply = self._get(f"{path}?{urlencode(pairs)}" if pairs else path, headers)
        place = reply.headers.get("content-location", "")
        if reply.status == 400 and since:
            raise Refused("the region does not export what changed since an instant: pull all of it (--full)")
        if reply.status != 202 or not place:
            raise Refused(f"the region does not start an export: it answers {reply.status}")
        self._theirs(place)
        return place

    def status(self, place: str) -> Progress:
        """How an export stands. Raises ``Lost`` where it has to be started again."""
        reply = self._get(place, {"Accept": "application/json"})
        if reply.status == 202:
            asked = reply.headers.get("retry-after", "")
            seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else USUAL_POLL
            return Progress(None, max(1, min(seconds, LATEST_POLL)))
        if reply.status == 200 and reply.body:
            return Progress(reply.body)
        if reply.status in (401, 403):
            raise Refused(f"the region refuses its own export: it answers {reply.status}")
        raise Lost(f"the region's export failed or is gone: it answers {reply.status}", "export-lost")

    def file(self, url: str, target: IO[bytes], *, needs_token: bool) -> None:
        """Bring one file whole. Raises ``Refused`` where it lies on an origin that the region's file does not name, or
        is refused; ``Unavailable`` where it does not come."""
        origin = self._theirs(url) if needs_token else self._origin(url)
        for is_last in (False, True):
            token = self._authorised() if needs_token else ""
            headers = {"Authorization": token} if needs_token else {}
            status = origin.download(url, target, {"Accept": "application/fhir+ndjson", **headers}, FILE_BYTES)
            if status == 200:
                return
            if status in GONE:
                raise Lost(f"the region does not give a file any more: it answers {status}", "export-lost")
            if status != 401 or is_last:
                raise Refused(f"the region does not give a file: it answers {status}")
            self._forget(token)

    def forget(self, place: str) -> None:
        """https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request: we have all of it."""
        self._theirs(place).delete(place, {"Authorization": self._authorised()})

    def _get(self, url: str, headers: dict[str, str]) -> Reply:
        """GET with our token, and once more with a new one where the server says that it is none."""
        origin = self._theirs(url)
        token = self._authorised()
        reply = origin.get(url, headers={**headers, "Authorization": token})
        if reply.status == 401:
            self._forget(token)
            reply = origin.get(url, headers={**headers, "Authorization": self._authorised()})
        return reply

    def _origin(self, url: str) -> Origin:
        """The origin of an address, which is the region's own or one that its file names."""
        address = origin_of(url)
        if address not in {origin_of(self._region.base), *self._region.files}:
            raise Refused("the region sends us to an origin that its file does not name")
        return self._opened(address)

    def _theirs(self, url: str) -> Origin:
        """The region's own origin, the only one that our token is sent to. Raises ``Refused`` for an address of
        another."""
        origin = self._origin(url)
        if origin.address != origin_of(self._region.base):
            raise Refused("the region sends us with our token to another origin than its API's: it is not sent there")
        return origin

    def _opened(self, address: str) -> Origin:
        with self._lock:
            if address not in self._origins:
                self._origins[address] = self._stack.enter_context(self._open(address))
            return self._origins[address]

    def _authorised(self) -> str:
        with self._lock:
            if self._clock() // 1_000_000 >= self._ends - LEAST_SECONDS:
                self._sign_in()
            return f"Bearer {self._token}"

    def _forget(self, token: str) -> None:
        """Drop a token that the server does not take, unless another thread has a new one already."""
        with self._lock:
            if token == f"Bearer {self._token}":
                self._ends = 0

    def _sign_in(self) -> None:
        """https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token"""
        region, smart = self._region, self._discovered()
        endpoint = smart["token_endpoint"]
        form = {
            "grant_type": "client_credentials", "scope": " ".join(self._scopes(smart)), "client_assertion_type": KIND,
            "client_assertion": signed(region.private, region.client, region.kid, endpoint, self._clock(), region.algorithm),
        }  # fmt: skip
        reply = self._opened(origin_of(endpoint)).post(endpoint, form)
        token, seconds = reply.body.get("access_token"), reply.body.get("expires_in", 300)
        if reply.status != 200 or not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise Refused(f"the region gives no token: it answers {reply.status}")
        self._token, self._ends = token, self._clock() // 1_000_000 + max(seconds, LEAST_SECONDS + 1)

    def _scopes(self, smart: dict[str, Any]) -> list[str]:
        """In the grammar that the server has: that of SMART 2 unless it names the old one alone."""
        capabilities = smart.get("capabilities", ())
        is_old = "permission-v1" in capabilities and "permission-v2" not in capabilities
        return [f"system/{name}.{'read' if is_old else 'rs'}" for name in self._region.types or ("*",)]

    def _discovered(self) -> dict[str, Any]:
        """https://hl7.org/fhir/smart-app-launch/conformance.html, asked for once."""
        if not self._smart:
            url = f"{self._region.base}/.well-known/smart-configuration"
            reply = self._origin(url).get(url, headers={"Accept": "application/json"})
            endpoint = reply.body.get("token_endpoint")
            if reply.status != 200 or not isinstance(endpoint, str):
                raise Refused("the region does not say where it gives tokens (.well-known/smart-configuration)")
            if origin_of(endpoint) not in {origin_of(self._region.base), self._region.token}:
                raise Refused("the region's tokens are given elsewhere: its file has to name that origin (token)")
            methods = reply.body.get("token_endpoint_auth_methods_supported", ["private_key_jwt"])
            algorithms = reply.body.get("token_endpoint_auth_signing_alg_values_supported", [self._region.algorithm])
            if "private_key_jwt" not in methods or self._region.algorithm not in algorithms:
                raise Refused("the region takes no assertion that is signed as its file says (algorithm)")
            self._smart = reply.body
        return self._smart

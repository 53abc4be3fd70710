"""What a client asks to be told of: a Subscription of R4, read strictly and refused by the name of its element."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from gateway.errors import GatewayError, Unprocessable
from gateway.fhir import dates, parse
from gateway.fhir.issues import Issue
from gateway.fhir.params import DIRECTORY_TYPES, SEARCHABLE
from gateway.fhir.search import Query
from gateway.notify.hooks import Hooks

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
"""The extensions of https://hl7.org/fhir/uv/subscriptions-backport/."""
CONTENT, FILTER = f"{BACKPORT}payload-content", f"{BACKPORT}filter-criteria"
PING, EMPTY, ID_ONLY = "", "empty", "id-only"
"""What a notification holds: nothing at all, a Bundle that says how many changed, or one that also says what."""
JSON = "application/fhir+json"
TOPICS: Mapping[str, str] = {
    "encounters": "Encounter",
    "results": "Observation",
    "reports": "DiagnosticReport",
    "packages-of-care": "EpisodeOfCare",
}
"""THE TABLE of topics, for clients of the Subscriptions R5 Backport: what of our base address names one → type."""
TOPIC = "SubscriptionTopic"
MOST_CRITERIA, MOST_CLAUSES, MOST_TEXT = 1000, 10, 500
"""Characters of criteria, parameters of them, and characters of any other text."""
MOST_HEADERS, MOST_HEADER = 5, 1000
KNOWN = frozenset({"resourceType", "id", "meta", "text", "status", "contact", "end", "reason", "criteria", "_criteria", "error", "channel"})  # fmt: skip
CHANNEL = frozenset({"type", "endpoint", "payload", "_payload", "header"})
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)", re.ASCII)
_OURS = re.compile(
    r"(?:webhook-|proxy-|sec-|x-forwarded|content-|accept|transfer-|if-).*|host|connection|expect|te|trailer|upgrade|"
    r"via|date|cookie|keep-alive|forwarded|user-agent|range",
    re.IGNORECASE,
)
"""Headers that say how a request is sent, or that are ours."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: the search that a change must match, where to tell it and how much, until when (µs UTC, 0:
    until it is ended). ``headers`` is None where the client sent none. ``body`` is the resource as its client sees
    it."""

    query: Query
    endpoint: str
    content: str
    until: int
    headers: tuple[str, ...] | None
    topic: str = ""
    body: dict[str, Any] = field(default_factory=dict)


def read(resource: Mapping[str, Any], base: str, hooks: Hooks | None, now: int, *, is_off: bool = False) -> Wish:
    """https://hl7.org/fhir/R4/subscription.html

    What a valid Subscription asks for. ``base`` is our FHIR address. One that ``is_off`` tells nobody anything, so
    that where and until when does not matter. Raises ``Unprocessable`` with the element that
    is not taken: what is not understood is refused, because who relies on it would wait for something that never
    comes."""
    _only(resource, KNOWN, "Subscription")
    channel = resource["channel"]
    _only(channel, CHANNEL, "Subscription.channel")
    for name in ("reason", "error"):
        if len(str(resource.get(name, ""))) > MOST_TEXT:
            raise refused(f"Subscription.{name}", "too long", "too-long")
    if channel["type"] != "rest-hook":
        raise refused("Subscription.channel.type", "only rest-hook", "not-supported")
    query, topic = _criteria(resource, base, now)
    endpoint = channel.get("endpoint", "")
    if not is_off:
        _require(hooks, endpoint)
    until = dates.interval(resource["end"])[1] if "end" in resource else 0
    if until and until <= now and not is_off:
        raise refused("Subscription.end", "in the past")
    body = {name: value for name, value in resource.items() if name not in ("id", "meta", "text", "error", "status")}
    body["channel"] = {name: value for name, value in channel.items() if name != "header"}
    content, headers = _content(channel), _headers(channel)
    if topic and content == PING:
        raise refused("Subscription.channel.payload", f"a subscription to a topic asks for {JSON} and its content")
    return Wish(query, endpoint, content, until, headers, topic, body)


def _require(hooks: Hooks | None, endpoint: str) -> None:
    place = "Subscription.channel.endpoint"
    if hooks is None:
        raise refused(place, "this gateway sends no notifications: no host is listed")
    _as(place, lambda: hooks.require(endpoint))


def query_of(body: Mapping[str, Any], base: str, now: int) -> tuple[Query, str]:
    """The search of a stored subscription, and its topic. Raises ``Unprocessable`` where it is no longer taken."""
    return _criteria(body, base, now)


def content_of(body: Mapping[str, Any]) -> str:
    """What the notifications of a stored subscription hold."""
    return _content(body["channel"])


def refused(place: str, words: str, code: str = "business-rule") -> Unprocessable:
    """The refusal of one element. It says what is taken, never what was sent."""
    return Unprocessable([Issue("error", code, place, words)])


def _as(place: str, ask: Callable[[], Any]) -> Any:
    """What an element asks for; a failure is told as the element's."""
    try:
        return ask()
    except Unprocessable:
        raise
    except GatewayError as fault:
        raise refused(place, str(fault)) from None


def _only(element: Mapping[str, Any], names: frozenset[str], place: str) -> None:
    if unknown := sorted(element.keys() - names):
        raise refused(f"{place}.{unknown[0]}", "not supported", "not-supported")


def _criteria(resource: Mapping[str, Any], base: str, now: int) -> tuple[Query, str]:
    """The search, of R4's criteria or of a topic of ours and its filters."""
    place, text = "Subscription.criteria", resource["criteria"]
    filters = [_value(extension, FILTER, "valueString", place) for extension in _extensions(resource, "criteria")]
    if sum(map(len, (text, *filters))) > MOST_CRITERIA:
        raise refused(place, "too long", "too-long")
    topic = text.removeprefix(f"{base}/{TOPIC}/") if text.startswith(f"{base}/{TOPIC}/") else ""
    if topic and topic not in TOPICS:
        raise refused(place, "no such topic", "not-found")
    if filters and not topic:
        raise refused(place, "only a topic is filtered by an extension", "not-supported")
    type_, _, asked = text.partition("?")
    type_ = TOPICS[topic] if topic else type_
    if type_ not in SEARCHABLE or type_ in DIRECTORY_TYPES:
        raise refused(place, "a search of one type about people, such as Encounter?status=finished", "not-supported")
    texts = [part.removeprefix(f"{type_}?") for part in filters] if topic else [asked]
    pairs = [pair for part in texts if part for pair in _pairs(part, place)]
    return _as(place, lambda: _query(type_, parse.local(type_, pairs, base), now)), text if topic else ""


def _query(type_: str, pairs: list[tuple[str, str]], now: int) -> Query:
    """A search that is judged of one resource at a time: what it looks for lies in that resource."""
    place = "Subscription.criteria"
    for name, _ in pairs:
        if name in parse._CONTROLS and name != "_id":
            raise refused(place, f"{parse.named(name)}: says how an answer looks, and there is none", "not-supported")
    query = parse.parse(type_, pairs, now)
    if query.listed is not None:
        raise refused(place, "a list of people says nothing of one resource", "not-supported")
    if any(clause.kind in ("chain", "has") for clause in query.clauses):
        raise refused(place, "a chain or _has looks at other resources", "not-supported")
    if len(query.clauses) > MOST_CLAUSES:
        raise refused(place, "too many parameters", "too-costly")
    return query


def _pairs(text: str, place: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise refused(place, "Type?name=value&name=value", "invalid") from None
    if not all(part.isprintable() for pair in pairs for part in pair):
        raise refused(place, "Type?name=value&name=value", "invalid")
    return pairs


def _content(channel: Mapping[str, Any]) -> str:
    """How much a notification holds. A resource is never sent: who is told reads it, and is decided about then."""
    place = "Subscription.channel.payload"
    levels = [_value(extension, CONTENT, "valueCode", place) for extension in _extensions(channel, "payload")]
    if "payload" not in channel and not levels:
        return PING
    if channel.get("payload") != JSON:
        raise refused(place, f"only {JSON}, or none", "not-supported")
    if len(levels) != 1 or levels[0] not in (EMPTY, ID_ONLY):
        words = f"no resource is sent: ask for {EMPTY} or {ID_ONLY} by the extension {CONTENT}, or leave it out"
        raise refused(place, words, "not-supported")
    return levels[0]


def _headers(channel: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The headers that a client wants to receive."""
    place, lines = "Subscription.channel.header", channel.get("header")
    if lines is None:
        return None
    matches = [_HEADER.fullmatch(line) for line in lines]
    names = [match[1].lower() for match in matches if match]
    if len(lines) > MOST_HEADERS or any(len(line) > MOST_HEADER for line in lines):
        raise refused(place, "too many or too long", "too-long")
    if len(names) < len(lines) or len(set(names)) < len(names) or any(map(_OURS.fullmatch, names)):
        raise refused(place, "Name: value, each name once, and none that says how a request is sent")
    return tuple(f"{match[1]}: {match[2]}" for match in matches if match)


def _extensions(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The extensions of a primitive, which has nothing else beside its value."""
    beside = element.get(f"_{name}", {})
    _only(beside, frozenset({"extension"}), f"Subscription.{name}")
    return list(beside.get("extension", ()))


def _value(extension: Mapping[str, Any], url: str, name: str, place: str) -> str:
    """The value of an extension that is understood."""
    if extension.get("url") != url or not isinstance(value := extension.get(name), str):
        raise refused(f"{place}.extension", "not supported", "not-supported")
    return value

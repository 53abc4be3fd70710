"""Bundles joined from the bytes that are served: nothing is parsed and written again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from gateway.fhir.params import is_private
from gateway.fhir.search import Query


class Served(Protocol):
    """One version as it goes out."""

    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def deleted(self) -> bool: ...


def searchset(
    base: str,
    query: Query,
    matches: Sequence[Served],
    included: Sequence[Served],
    cursor: str | None,
    total: int | None,
    here: str | None = None,
    notes: Sequence[str] = (),
) -> bytes:
    """https://hl7.org/fhir/R4/bundle.html#searchset

    A searchset. The next link is an opaque cursor, bound by ``records`` to caller and query; ``here`` is the one that
    leads to this page again, where its parameters may not stand in a link. ``notes`` are what the answer does not hold,
    each an entry of mode ``outcome``.
    """
    url = _url(base, query)
    links = [("self", _at(url, here))]
    if cursor:
        links.append(("next", _at(url, cursor)))
    entries = [_entry(base, served, b'"search":{"mode":"match"}') for served in matches]
    entries += [_entry(base, served, b'"search":{"mode":"include"}') for served in included]
    entries += [_note(words) for words in notes]
    head = {"resourceType": "Bundle", "type": "searchset"} | ({"total": total} if total is not None else {})
    return _join(head, links, entries)


def collected(
    base: str,
    path: str,
    parameters: Sequence[tuple[str, str]],
    matches: Sequence[Served],
    included: Sequence[Served],
    cursor: str | None = None,
    here: str | None = None,
) -> bytes:
    """https://hl7.org/fhir/R4/bundle.html#searchset

    The searchset of an operation at ``path``, with links to this page and to the next."""
    url = f"{base}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
    links = [("self", _at(url, here)), *([("next", _at(url, cursor))] if cursor else [])]
    entries = [_entry(base, served, b'"search":{"mode":"match"}') for served in matches]
    entries += [_entry(base, served, b'"search":{"mode":"include"}') for served in included]
    return _join({"resourceType": "Bundle", "type": "searchset"}, links, entries)


def _note(words: str) -> bytes:
    issue = {"severity": "warning", "code": "incomplete", "details": {"text": words}, "diagnostics": words}
    outcome = {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}
    return json.dumps(outcome, separators=(",", ":")).encode()


def history(
    base: str,
    resource_type: str,
    id_: str,
    versions: Sequence[Served],
    total: int | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> bytes:
    """https://hl7.org/fhir/R4/http.html#history

    A history bundle, newest first; a deletion has a request and no resource. ``total`` counts the versions of all its
    pages. ``links`` are (relation, query) of this page and the next."""
    entries = []
    for version in versions:
        method, status = (
            ("DELETE", "204") if version.deleted else ("POST", "201") if version.version == 1 else ("PUT", "200")
        )
        extra = json.dumps(
            {
                "request": {"method": method, "url": resource_type if method == "POST" else f"{resource_type}/{id_}"},
                "response": {"status": status, "etag": f'W/"{version.version}"'},
            }
        )
        entries.append(_entry(base, version, extra[1:-1].encode()))
    head = {"resourceType": "Bundle", "type": "history", "total": len(versions) if total is None else total}
    url = f"{base}/{resource_type}/{id_}/_history"
    pages = [(relation, f"{url}?{query}" if query else url) for relation, query in links or [("self", "")]]
    return _join(head, pages, entries)


def changes(
    base: str,
    path: str,
    parameters: Sequence[tuple[str, str]],
    group: bytes | None,
    gone: Sequence[tuple[str, str]],
    now: Sequence[Served],
    links: Sequence[tuple[str, str]],
) -> bytes:
    """https://hl7.org/fhir/R4/bundle.html#history

    A history of many resources at ``path``: the Group where it has changed, (type, id) of what is gone, and what is
    new or other than it was, each to be taken as a PUT. ``links`` are (relation, cursor)."""
    url = f"{base}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
    entries = [] if group is None else [_changed(base, path.rpartition("/")[0], group, "")]
    for type_, id_ in gone:
        name = f"{type_}/{id_}"
        request = {"request": {"method": "DELETE", "url": name}, "response": {"status": "204"}}
        entries.append(json.dumps({"fullUrl": f"{base}/{name}", **request}, separators=(",", ":")).encode())
    entries += [_changed(base, f"{served.type}/{served.id}", served.body, f'W/"{served.version}"') for served in now]
    return _join(
        {"resourceType": "Bundle", "type": "history"}, [(name, _at(url, cursor)) for name, cursor in links], entries
    )


def _changed(base: str, name: str, body: bytes, tag: str) -> bytes:
    response = {"status": "200", **({"etag": tag} if tag else {})}
    extra = json.dumps({"request": {"method": "PUT", "url": name}, "response": response}, separators=(",", ":"))
    return f'{{"fullUrl":"{base}/{name}","resource":'.encode() + body + f",{extra[1:]}".encode()


def _url(base: str, query: Query) -> str:
    """The address of a search, without what names a person."""
    shown = urlencode([(name, value) for name, value in query.parameters if not is_private(query.type, name)])
    return f"{base}/{query.type}" + (f"?{shown}" if shown else "")


def _at(url: str, cursor: str | None) -> str:
    """The address of one page of it."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'_cursor': cursor})}" if cursor else url


def _entry(base: str, served: Served, extra: bytes) -> bytes:
    url = f'"fullUrl":"{base}/{served.type}/{served.id}",'.encode()
    return b"{" + url + (b"" if served.deleted else b'"resource":' + served.body + b",") + extra + b"}"


def _join(head: dict[str, Any], links: list[tuple[str, str]], entries: list[bytes]) -> bytes:
    head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    start = json.dumps(head, separators=(",", ":")).encode()[:-1]
    return start + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}")

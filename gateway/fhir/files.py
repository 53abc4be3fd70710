"""Validates resources in files and streams (a JSON document or NDJSON): one result for each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

import msgspec

from gateway.errors import Refused
from gateway.fhir import model
from gateway.fhir.issues import Issue

MORE = Callable[[dict[str, Any]], list[Issue]]
LINES = (".ndjson", ".jsonl")
BOM = b"\xef\xbb\xbf"
Line = tuple[int, bytes]


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


_entries = msgspec.json.Decoder(_Bundle)


def validate_lines(
    names: Sequence[str], stdin: BinaryIO, more: MORE, closer: MORE = lambda _: []
) -> Iterator[dict[str, Any]]:
    """One result a resource: ``{"file", "line", "resourceType", "valid", "issues"}``; a Bundle's own, and one for each
    resource in it.

    ``valid`` means R4, and no error among what a ``closer`` look finds; ``more`` adds issues (UK Core's) that do not
    make it invalid. ``-`` is standard input.
    Raises ``Refused`` for a file that cannot be read."""
    for number, name in enumerate(names, 1):
        try:
            if name == "-":
                yield from _validate_stream(name, stdin, more, closer)
            else:
                with open(name, "rb") as stream:
                    yield from _validate_stream(name, stream, more, closer)
        except OSError:
            raise Refused(f"file {number} cannot be read") from None


def _validate_stream(name: str, stream: BinaryIO, more: MORE, closer: MORE) -> Iterator[dict[str, Any]]:
    for line, body in read(stream, is_lines=name.endswith(LINES)):
        yield from _validate_all(name, line, body, more, closer)


def _validate_all(name: str, line: int, body: bytes, more: MORE, closer: MORE) -> Iterator[dict[str, Any]]:
    result = validate(name, line, body, more, closer)
    yield result
    if result["resourceType"] == "Bundle":
        for at, resource in within(line, body):
            yield from _validate_all(name, at, resource, more, closer)


def validate(name: str, line: int, body: bytes, more: MORE, closer: MORE = lambda _: []) -> dict[str, Any]:
    """https://hl7.org/fhir/R4/validation.html

    The result of one resource."""
    issues = model.check(body, duplicates=True)
    valid = not issues
    is_too_long = any(issue.code == "too-long" for issue in issues)
    resource = None if is_too_long else _plain(body)
    named = resource.get("resourceType") if isinstance(resource, dict) else ""
    resource_type = named if isinstance(named, str) and named in model.RESOURCE_TYPES else ""
    if valid and isinstance(resource, dict):
        closely = closer(resource)
        valid = not any(issue.severity == "error" for issue in closely)
        issues = [*closely, *more(resource)]
    return {
        "file": name,
        "line": line,
        "resourceType": resource_type,
        "valid": valid,
        "issues": [issue.as_dict() for issue in issues],
    }


def _plain(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except model.UNREADABLE:
        return None


def read(stream: BinaryIO, *, is_lines: bool = False) -> Iterator[Line]:
    """(line, bytes) of each resource: one a line (NDJSON) where it ``is_lines`` or one of the first two lines is an
    object by itself, otherwise the whole as one document, which is also what nothing at all is. Of a line or document
    that is too large, no more is read than shows it."""
    rest = lines(stream)
    head: list[Line] = []
    for line in rest:
        head.append(line)
        if sum(map(_is_written, head)) == 2:
            break
    written = [line for line in head if _is_written(line)]
    if (is_lines and written) or (len(written) > 1 and any(_is_object(body) for _, body in written)):
        yield from filter(_is_written, chain(head, rest))
    else:
        yield 1, _document(chain(head, rest))


def lines(stream: BinaryIO, longest: int = model.LARGEST) -> Iterator[Line]:
    """(number, bytes) of each line, without the byte order mark; of one longer than ``longest`` no more than shows
    it."""
    number = 0
    while line := stream.readline(longest + 2):
        number += 1
        yield number, line.removeprefix(BOM) if number == 1 else line
        while line and not line.endswith(b"\n"):  # too large: the rest of it belongs to no other line
            line = stream.readline(longest)


def _is_written(line: Line) -> bool:
    return not line[1].isspace() and line[1] != b""


def _is_object(line: bytes) -> bool:
    return line.lstrip()[:1] == b"{" and isinstance(_plain(line), dict)


def _document(numbered: Iterator[Line]) -> bytes:
    document = bytearray()
    for _, line in numbered:
        document += line
        if len(document) > model.LARGEST:
            break
    return bytes(document)


def within(line: int, body: bytes) -> Iterator[Line]:
    """(line, bytes) of each resource in a Bundle, at the line where it begins."""
    try:
        resources = [bytes(entry.resource) for entry in _entries.decode(body).entry]
    except model.UNREADABLE:  # so broken that it has no entries
        return
    for at, resource in zip(places(line, body, resources), resources):
        if resource.startswith(b"{"):
            yield at, resource


def places(line: int, body: bytes, parts: Sequence[bytes]) -> Iterator[int]:
    """The line at which each of ``parts`` begins in a body that begins at ``line``: they stand in it in this order, and
    one that is empty stands where the last one ended."""
    at = 0
    for part in parts:
        begin = body.index(part, at)
        line += body.count(b"\n", at, begin)
        yield line
        at = begin + len(part)
        line += body.count(b"\n", begin, at)

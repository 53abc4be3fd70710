"""Resources in files and streams: a JSON document, or one resource a line; each checked and told in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.errors import Refused, TooLarge
from gateway.fhir import model
from gateway.fhir.issues import Issue

MORE = Callable[[dict], list[Issue]]


def validate_lines(names: Sequence[str], stdin: BinaryIO, more: MORE) -> Iterator[dict]:
    """One result a resource: ``{"file", "line", "resourceType", "valid", "issues"}``.

    ``valid`` means R4; ``more`` adds issues (UK Core's) that do not make it invalid. Raises ``Refused`` for a file that cannot be read."""
    for name in names:
        for line, body in read(name, stdin):
            yield validate(name, line, body, more)


def validate(name: str, line: int, body: bytes, more: MORE) -> dict:
    """The result of one resource."""
    issues = model.check(body, duplicates=True)
    valid = not issues
    resource_type = ""
    try:
        model.bound(body)
        resource = msgspec.json.decode(body)
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str) and resource["resourceType"] in model.RESOURCE_TYPES:
            resource_type = resource["resourceType"]
            if valid:
                issues = [*issues, *more(resource)]
    except (msgspec.MsgspecError, RecursionError, TooLarge):
        pass
    return {"file": name, "line": line, "resourceType": resource_type, "valid": valid, "issues": [issue.as_dict() for issue in issues]}


def read(name: str, stdin: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(line, bytes) of each resource in a file: a whole JSON document, or one resource a line (NDJSON)."""
    try:
        data = stdin.read() if name == "-" else Path(name).read_bytes()
    except OSError:
        raise Refused("a file cannot be read") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if len(lines) > 1 and all(line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for _, line in lines):
        yield from lines
    else:
        yield 1, data

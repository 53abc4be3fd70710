"""Whether what came is what its manifest says: the manifest itself, each file by its digest, and each line.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status. Errors name a file by its number in the
manifest, and a line by its number: never a value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Refused

RESOURCE_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
KIND = re.compile(r"[A-Z][A-Za-z]{1,39}\Z")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
LINE_BYTES = 50_000_000
MOST_FILES = 1_000_000


class _Line(msgspec.Struct):
    type: str
    url: str
    count: int | None = None
    sha256: str = ""


class _Manifest(msgspec.Struct):
    transactionTime: str
    requiresAccessToken: bool
    output: list[_Line]
    deleted: list[_Line] = []
    error: list[_Line] = []
    link: list[dict[str, Any]] = []
    extension: dict[str, Any] | list[Any] = {}


@dataclass(frozen=True, slots=True)
class File:
    """A file of a release: what it is for (``output``, ``deleted``, ``error``), its type and address, and what the
    manifest says of its content: lines, None where it does not say, and SHA-256, "" where it does not say."""

    use: str
    number: int
    type: str
    url: str
    count: int | None
    sha256: str

    @property
    def title(self) -> str:
        return f"{self.use} file {self.number} ({self.type})"

    @property
    def stored(self) -> str:
        """Its name in our folder, which the region has no say in."""
        return f"{self.use}-{self.number:07d}.ndjson"


@dataclass(frozen=True)
class Announced:
    """What a manifest announces: the instant that its data is of, whether files need our token, the files, and what
    else the region says of the release."""

    until: str
    needs_token: bool
    files: tuple[File, ...]
    facts: dict[str, Any]


def announced(members: dict[str, Any]) -> Announced:
    """Read a manifest. Raises ``Refused`` naming the place of what is wrong in it."""
    try:
        manifest = msgspec.convert(members, _Manifest)
    except msgspec.ValidationError:
        raise Refused("the manifest is not that of a bulk export") from None
    if not _INSTANT.match(manifest.transactionTime):
        raise Refused("the manifest: transactionTime is no instant")
    if any(link.get("relation") == "next" for link in manifest.link):
        raise Refused("the manifest goes on elsewhere (link next), which was not asked for")
    uses = {"output": manifest.output, "deleted": manifest.deleted, "error": manifest.error}
    files = tuple(_file(use, number, line) for use, lines in uses.items() for number, line in enumerate(lines, 1))
    if len(files) > MOST_FILES or len({file.url for file in files}) < len(files):
        raise Refused("the manifest: a file stands in it twice, or there are too many")
    facts = manifest.extension if isinstance(manifest.extension, dict) else {}
    return Announced(manifest.transactionTime, manifest.requiresAccessToken, files, facts)


def _file(use: str, number: int, line: _Line) -> File:
    kinds = {"deleted": "Bundle", "error": "OperationOutcome"}
    is_right = KIND.match(line.type) and line.type == kinds.get(use, line.type)
    if not is_right or not line.url or (line.sha256 and not _DIGEST.match(line.sha256)) or (line.count or 0) < 0:
        raise Refused(f"the manifest: {use} file {number}")
    return File(use, number, line.type, line.url, line.count, line.sha256)


def require_digest(file: File, path: Path) -> None:
    """Raise ``Refused`` where a file is not the one that the manifest names by its SHA-256."""
    if not file.sha256:
        return
    with path.open("rb") as data:
        if hashlib.file_digest(data, "sha256").hexdigest() != file.sha256:
            raise Refused(f"{file.title}: it is not the file that the manifest names (SHA-256)")


class _Head(msgspec.Struct):
    resourceType: str
    id: str = ""


_HEADS = msgspec.json.Decoder(_Head)


def resources(file: File, path: Path) -> Iterator[tuple[tuple[str, str], bytes]]:
    """The type, id and bytes of each line. Raises ``Refused`` naming the first line that holds no resource of the
    file's type, and where there are fewer or more than the manifest says."""
    for number, line in _lines(file, path):
        head = _decoded(_HEADS, file, number, line)
        if head.resourceType != file.type or not RESOURCE_ID.match(head.id):
            raise Refused(f"{file.title}, line {number}: no resource of this type with an id")
        yield (head.resourceType, head.id), line


class _Request(msgspec.Struct):
    method: str
    url: str


class _Entry(msgspec.Struct):
    request: _Request


class _Bundle(msgspec.Struct):
    resourceType: str
    entry: list[_Entry] = []


_BUNDLES = msgspec.json.Decoder(_Bundle)


def deletions(file: File, path: Path) -> Iterator[tuple[str, str]]:
    """The type and id of each resource that a file of Bundles names as deleted. Raises as ``resources``."""
    for number, line in _lines(file, path):
        bundle = _decoded(_BUNDLES, file, number, line)
        for entry in bundle.entry:
            name, _, id_ = entry.request.url.rpartition("/")
            name = name.rpartition("/")[2]
            is_right = bundle.resourceType == "Bundle" and KIND.match(name) and RESOURCE_ID.match(id_)
            if not is_right or entry.request.method != "DELETE":
                raise Refused(f"{file.title}, line {number}: no Bundle of deletions")
            yield name, id_


class _Issue(msgspec.Struct):
    severity: str


class _Outcome(msgspec.Struct):
    issue: list[_Issue] = []


_OUTCOMES = msgspec.json.Decoder(_Outcome)
SEVERITIES = ("fatal", "error", "warning", "information")


def severities(file: File, path: Path) -> Iterator[str]:
    """The severity of each issue that the region tells of the export; one that FHIR has not counts as an error."""
    for number, line in _lines(file, path):
        for issue in _decoded(_OUTCOMES, file, number, line).issue:
            yield issue.severity if issue.severity in SEVERITIES else "error"


def _decoded(decoder: msgspec.json.Decoder[Any], file: File, number: int, line: bytes) -> Any:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise Refused(f"{file.title}, line {number}: it is no such JSON") from None


def _lines(file: File, path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers."""
    lines = 0
    with path.open("rb") as data:
        number = 0
        while line := data.readline(LINE_BYTES + 1):
            number += 1
            if len(line) > LINE_BYTES:
                raise Refused(f"{file.title}, line {number}: it is too long")
            if line := line.strip():
                lines += 1
                yield number, line
    if file.count is not None and lines != file.count:
        raise Refused(f"{file.title}: it has not as many lines as the manifest says")

"""The NDJSON files of a release, or of any bulk download: which there are, whether they are whole, and whose each
resource is."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Refused
from gateway.fhir.model import UNREADABLE
from gateway.nhs.pseudonym import PERSON_SYSTEM
from gateway.views.path import reference_key

MANIFEST, UNRELEASED = "manifest.json", ".job"
"""The file that lists the others, and the mark of a folder that an export still writes into."""
SUBJECTS = ("subject", "patient", "for", "beneficiary")
"""Elements that say which patient a resource is about."""
BY_PSEUDONYM, BY_PATIENT = "the pseudonym of the person", "the id of the Patient"
_PART = re.compile(r"([A-Z]\w+)\.(\d+)\..*")
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
Person = Mapping[str, str] | None
"""The person of each Patient's id; None where an id is its own."""


@dataclass(frozen=True, slots=True)
class Download:
    """A folder with its files by type. ``hashes`` are those of the manifest, by name; ``extension`` is what the
    manifest of a release says of it; ``manifest_hash`` is "" where there is none. ``by_person``: the people are
    known by pseudonyms that stand in the Patients of the same part, with which everything of theirs is."""

    folder: Path
    files: Mapping[str, tuple[str, ...]]
    hashes: Mapping[str, str]
    extension: Mapping[str, Any]
    manifest_hash: str
    by_person: bool

    @property
    def person_is(self) -> str:
        return BY_PSEUDONYM if self.by_person else BY_PATIENT

    def people(self, name: str) -> Person:
        """The person of each Patient of the part that a file is of."""
        if not self.by_person:
            return None
        part = _part(name)
        patients = (path for path in self.files.get("Patient", ()) if _part(path) == part)
        return {
            patient["id"]: person
            for path in patients
            for patient in self.resources(path, "Patient")
            if (person := _pseudonym(patient)) is not None and isinstance(patient.get("id"), str)
        }

    def resources(self, name: str, type_: str) -> Iterator[dict[str, Any]]:
        """The resources of a file, one after the other. Raises ``Refused`` naming a line that is none of the type, or a
        file that is not what the manifest says."""
        digest = hashlib.sha256()
        with _opened(self.folder / name) as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if not line.strip():
                    continue
                try:
                    resource = _decode(line)
                except UNREADABLE:
                    raise Refused(f"{name}: line {number}: not a JSON object") from None
                if resource.get("resourceType") != type_:
                    raise Refused(f"{name}: line {number}: another type than the first line's")
                yield resource
        if self.hashes.get(name, digest.hexdigest()) != digest.hexdigest():
            raise Refused(f"{name}: not the file that the manifest names")


def opened(folder: Path) -> Download:
    """The download in a folder: the files that its manifest lists, or all NDJSON files where there is none. Raises
    ``Refused`` for a folder without any, one that is not released, or one that lacks a file."""
    if (folder / UNRELEASED).exists():
        raise Refused("the folder holds an export that is not released")
    if not folder.is_dir():
        raise Refused("there is no such folder")
    manifest = _manifest(folder)
    names = _listed(folder, manifest) if manifest else _all(folder)
    files: dict[str, list[str]] = {}
    for name in names:
        if type_ := _type(folder / name):
            files.setdefault(type_, []).append(name)
    if not files:
        raise Refused("the folder holds no resources")
    hashes = {
        _last(entry["url"]): entry["sha256"]
        for entry in manifest.get("output", ())
        if isinstance(entry.get("sha256"), str)
    }
    of_type = {type_: tuple(listed) for type_, listed in sorted(files.items())}
    extension = _extension(manifest)
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() if manifest else ""
    return Download(folder, of_type, hashes, extension, digest, "project" in extension and "Patient" in files)


def person_of(resource: Mapping[str, Any], people: Person) -> str | None:
    """Whose a resource is: the person, or the Patient where the people of the download are not known by pseudonyms.
    None for one of nobody, or of a Patient who is not in the download."""
    if resource.get("resourceType") == "Patient":
        id_ = resource.get("id")
        key = id_ if isinstance(id_, str) else None
    else:
        keys = (reference_key(resource.get(name), "Patient") for name in SUBJECTS)
        key = next((key for key in keys if key is not None), None)
    return key if people is None or key is None else people.get(key)


def _pseudonym(patient: Mapping[str, Any]) -> str | None:
    identifiers = patient.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and identifier.get("system") == PERSON_SYSTEM:
            return str(identifier["value"]) if "value" in identifier else None
    return None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise Refused(f"{MANIFEST}: not JSON") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("output"), list):
        raise Refused(f"{MANIFEST}: it lists no output")
    if any(not isinstance(entry, dict) or not isinstance(entry.get("url"), str) for entry in manifest["output"]):
        raise Refused(f"{MANIFEST}: an output without a url")
    return manifest


def _extension(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    extension = manifest.get("extension")
    return extension if isinstance(extension, dict) else {}


def _listed(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    names = [_last(entry["url"]) for entry in manifest["output"]]
    if len(set(names)) != len(names):
        raise Refused(f"{MANIFEST}: two outputs of one name")
    if missing := next((place for place, name in enumerate(names, 1) if not (folder / name).is_file()), 0):
        raise Refused(f"{MANIFEST}: output {missing}: the file is not there")
    return sorted(names)


def _all(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith((".ndjson", ".ndjson.gz")))


def _last(url: str) -> str:
    """The name of a file by its address."""
    return url.split("?")[0].rstrip("/").rpartition("/")[2]


def _part(name: str) -> str:
    match = _PART.fullmatch(name)
    return match[2] if match else ""


def _type(path: Path) -> str:
    """The type of the first resource of a file, "" for an empty one."""
    with _opened(path) as file:
        line = next((line for line in file if line.strip()), b"")
    try:
        return str(_decode(line).get("resourceType", "")) if line else ""
    except UNREADABLE:
        raise Refused(f"{path.name}: line 1: not a JSON object") from None


@contextmanager
def _opened(path: Path) -> Iterator[Iterable[bytes]]:
    """The lines of a file. Raises ``Refused`` for one that is cut short or no gzip."""
    if not path.name.endswith(".gz"):
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path, "rb") as unpacked:
            yield unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Refused(f"{path.name}: not a whole gzip file") from None

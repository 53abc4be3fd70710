"""The files of a release: one a type and part, for its owner only. Each is cut under a temporary name that holds the
claim on the job, and is given its own name by whoever still has that claim."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway import durable

DECISIONS = ".decision.*"
"""The files of decisions about few people (``crowding``), beside the files of a release."""


def place(folder: Path, part: int, claim: int, files: Sequence[Mapping[str, Any]]) -> None:
    """Give the files of a part that was just cut their names. What an earlier cut left is removed: it may hold what is
    hidden today, under a name that no manifest tells."""
    names = {file["url"] for file in files}
    for path in folder.glob(f"*.{part:05d}.ndjson"):
        if path.name not in names:
            path.unlink(missing_ok=True)
    durable.rename({_temporary(folder, name, claim): folder / name for name in names})


def clear(folder: Path, claim: int | None = None) -> None:
    """Remove files that have no name yet: those of one claim, or of every one."""
    for path in folder.glob(f".*.ndjson.{'*' if claim is None else claim}.part"):
        path.unlink(missing_ok=True)


class PartFile:
    """One output file under the temporary name of a claim: the processes of a run that lost the job may still
    write."""

    def __init__(self, folder: Path, resource_type: str, part: int, claim: int):
        self.type, self.name = resource_type, f"{resource_type}.{part:05d}.ndjson"
        temporary = _temporary(folder, self.name, claim)
        temporary.unlink(missing_ok=True)  # an earlier attempt of this claim was interrupted
        self.file = durable.new(temporary)
        self.count, self.size, self.digest = 0, 0, hashlib.sha256()
        self.people, self._last = 0, ""

    def write(self, line: bytes, person: str) -> None:
        """Add one resource of a person. Those of one person follow each other."""
        self.people += person != self._last
        self._last = person
        data = line + b"\n"
        self.file.write(data)
        self.digest.update(data)
        self.count += 1
        self.size += len(data)

    def close(self) -> dict[str, Any]:
        """Bring the file to disk; return what the manifest and the ledger say of it."""
        durable.close(self.file)
        return {
            "type": self.type,
            "url": self.name,
            "count": self.count,
            "people": self.people,
            "bytes": self.size,
            "sha256": self.digest.hexdigest(),
        }

    def abandon(self) -> None:
        """Let go of a file that was not closed, whatever is left of it to write: the disk may be full."""
        with suppress(OSError):
            self.file.close()


def _temporary(folder: Path, name: str, claim: int) -> Path:
    return folder / f".{name}.{claim}.part"

"""The files of a release, one for each type and part. A file gets its name when it is complete on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any


def clear(folder: Path, part: int) -> None:
    """Remove the files of an earlier cut of a part. They may hold data that is hidden today, and no manifest lists
    them."""
    for left in (*folder.glob(f"*.{part:05d}.ndjson"), *folder.glob(f".*.{part:05d}.ndjson.*.part")):
        left.unlink(missing_ok=True)


def write_whole(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = folder / f".{name}.{os.getpid()}.part"
    with os.fdopen(_create(temporary), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / name)


class PartFile:
    """One output file: a temporary name of this process's own (the children of a killed run may still write), fsynced,
    then renamed."""

    def __init__(self, folder: Path, resource_type: str, part: int):
        self.type, name = resource_type, f"{resource_type}.{part:05d}.ndjson"
        self.path, self.temporary = folder / name, folder / f".{name}.{os.getpid()}.part"
        self.file = os.fdopen(_create(self.temporary), "wb", buffering=1 << 20)
        self.count, self.size, self.digest = 0, 0, hashlib.sha256()

    def write(self, line: bytes) -> None:
        """Add one resource."""
        data = line + b"\n"
        self.file.write(data)
        self.digest.update(data)
        self.count += 1
        self.size += len(data)

    def close(self) -> dict[str, Any]:
        """Give the file its name; return what the manifest and the ledger say of it."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.temporary, self.path)
        return {
            "type": self.type,
            "url": self.path.name,
            "count": self.count,
            "bytes": self.size,
            "sha256": self.digest.hexdigest(),
        }


def _create(path: Path) -> int:
    """A new file, for its owner only."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

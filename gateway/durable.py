"""Files and names that a power cut does not take back: what is written is on disk before its name, and its name before
anything is said of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO


def new(path: Path) -> IO[bytes]:
    """Open a new file, for its owner only. Raises ``FileExistsError``."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=1 << 20)


def close(file: IO[bytes]) -> None:
    """Bring what was written to disk, and close the file."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def write(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file to disk. Its name is there for good after ``sync`` of the folder, or ``rename``."""
    with new(path) as file:
        for piece in pieces:
            file.write(piece)
        close(file)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, in place of the one that is there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        write(temporary, [data])
        rename({temporary: path})
    finally:
        temporary.unlink(missing_ok=True)


def rename(names: Mapping[Path, Path]) -> None:
    """Give files or folders that are on disk their names, in place of what has them."""
    for before, after in names.items():
        os.replace(before, after)
    for folder in {after.parent for after in names.values()}:
        sync(folder)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk. The system is not asked for one that may not be read, such as a
    folder of others in which ours lies."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Bring a folder, all that is in it and its own name to disk."""
    for path in [*folder.rglob("*"), folder, folder.parent]:
        sync(path)

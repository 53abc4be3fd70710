"""What a load reads where a file of the delivery is encrypted: a folder of its own, which nobody else may enter, with
the decrypted files in it and links to the others. It is removed when the load ends, and by the next one after a kill.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import Refused
from gateway.intake import unsealing
from gateway.store import faults
from mappings import Feed

PREFIX = "load-"
_LOCK = ".lock"


@contextmanager
def opened(spool: Path, path: Path, feed: Feed) -> Iterator[Path]:
    """The delivery at ``path`` as a load can read it, while the block runs. Raises ``Refused`` for a file that cannot
    be decrypted."""
    if path.is_dir():
        files = {str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if not file.is_dir()}
    else:
        files = {path.name: path}
    if not any(map(unsealing.is_sealed, files)):
        yield path
        return
    with together(spool, files, feed) as folder:
        yield folder if path.is_dir() else next(file for file in folder.iterdir())


@contextmanager
def together(spool: Path, files: Mapping[str, Path], feed: Feed) -> Iterator[Path]:
    """A folder of files by their names in it, while the block runs: decrypted, or a link to where they lie."""
    with _room(spool) as folder:
        rules = unsealing.keys(feed)
        for number, (name, path) in enumerate(files.items(), 1):
            with faults.named():
                _put(path, folder / unsealing.clear_name(name), rules, f"file {number}")
        yield folder


def _put(path: Path, to: Path, rules: unsealing.Keys, shown: str) -> None:
    """Put a file into the folder. Raises ``Refused`` where two would have one name."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if to.exists() or to.is_symlink():
        raise Refused(f"{shown}: the same file also lies there decrypted")
    if unsealing.is_sealed(path.name):
        unsealing.unseal(path, to, rules, shown)
    else:
        to.symlink_to(path.absolute())


@contextmanager
def _room(spool: Path) -> Iterator[Path]:
    """A new folder that is removed with the block. Its lock says that somebody is in it."""
    spool.mkdir(mode=0o700, exist_ok=True)
    clear(spool)
    folder = spool / f"{PREFIX}{secrets.token_hex(8)}"
    lock = os.open(_lock_of(folder), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _lock_of(folder).unlink(missing_ok=True)
        os.close(lock)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)


def clear(spool: Path) -> None:
    """Remove what a load that was killed left behind."""
    for lock in spool.glob(f"{PREFIX}*{_LOCK}"):
        with suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.with_name(lock.name.removesuffix(_LOCK)), ignore_errors=True)
                lock.unlink()
            finally:
                os.close(descriptor)

"""The folder where deliveries arrive: what lies in it, what is whole, and where it goes.

It is looked at again and again: a change on a share (NFS, SMB) tells nobody. A file is whole when nothing of it has
changed for a while, or when it was given its name after it was whole under a temporary one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from gateway import durable
from gateway.errors import Unavailable
from gateway.intake.watch.watches import DONE, FAILED
from gateway.store.hashes import hex64

TEMPORARY = (".part", ".tmp", ".filepart", ".partial", ".crdownload", ".writing", "~")
"""How names end of files that are being written."""
REPORT = ".report.json"
ASIDE = ".file"
"""How a file is called on that was named as one of our folders."""
CHANGED = "a file changed while it was looked at"
NO_FOLDER = "done or failed beside the deliveries is a link or no folder"
CHUNK = 1 << 20
US = 1_000_000
Facts: TypeAlias = tuple[int, int, int]
"""A file's size, time of its bytes and node."""


@dataclass(frozen=True, slots=True)
class Lying:
    """A file that lies there: its size, when its bytes changed (``mtime``, µs UTC by the clock of its disk) and its
    node (0 where nobody says)."""

    size: int
    mtime: int
    node: int = 0


def is_temporary(name: str) -> bool:
    """Whether a file is hidden or being written.

    >>> [is_temporary(name) for name in ("a.csv", "a.csv.PART", ".a.csv", "a.csv~", "~$a.csv")]
    [False, True, True, True, True]
    """
    return name.startswith((".", "~$")) or name.lower().endswith(TEMPORARY)


def lying(folder: Path) -> tuple[dict[str, Lying], frozenset[Lying]]:
    """The files in a folder by their paths in it, and those that are being written. Links, and what is done or failed,
    are left alone."""
    files: dict[str, Lying] = {}
    temporary: set[Lying] = set()
    for path, name in _walk(folder, ""):
        facts = path.stat(follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode):
            continue
        file = Lying(facts.st_size, facts.st_mtime_ns // 1000, facts.st_ino)
        if is_temporary(path.name):
            temporary.add(file)
        elif not name.endswith(REPORT):
            files[name] = file
    return dict(sorted(files.items())), frozenset(temporary)


def _walk(folder: Path, within: str) -> Iterator[tuple[Path, str]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = f"{within}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if not (entry.name.startswith(".") or name in (DONE, FAILED)):
                    yield from _walk(Path(entry.path), f"{name}/")
            else:
                yield Path(entry.path), name


def token(name: str, file: Lying) -> str:
    """What a file is remembered by. Its name cannot be told from it."""
    return hex64("lying", os.fsencode(name).hex(), str(file.size), str(file.mtime))


def standing_still(
    files: Mapping[str, Lying],
    before: Mapping[str, tuple[int, int, int]],
    renamed: Collection[Lying],
    now: int,
    seconds: int,
) -> tuple[set[str], dict[str, tuple[int, int, int]]]:
    """Which files are whole, and what to remember of the others and them until the next look (size, time of the bytes,
    when they were first seen so).

    ``renamed`` are the files that were temporary at the last look: one that is the same still was whole when it got its
    name, while a node alone may be that of a new file. The clock of a share may be another: only looking tells, and by
    our own clock.
    """
    whole: set[str] = set()
    seen: dict[str, tuple[int, int, int]] = {}
    for name, file in files.items():
        key = hex64("name", os.fsencode(name).hex())
        last = before.get(key, (-1, -1, now))
        first = last[2] if last[:2] == (file.size, file.mtime) and last[2] <= now else now
        seen[key] = (file.size, file.mtime, first)
        if now - first >= seconds * US or file in renamed:
            whole.add(name)
    return whole, seen


def marked(files: Mapping[str, Lying], marker: str) -> dict[str, str]:
    """The files that a marker says are whole, each with its marker. ``marker`` is the name of a file beside them, or
    has a star for the name of the file that it marks, with or without its ending."""
    stars = marker.partition("*")
    by_file: dict[str, str] = {}
    names = set(files)
    for name in files:
        path = PurePosixPath(name)
        if _is_marker(path.name, marker):
            continue
        parent = "" if str(path.parent) == "." else f"{path.parent}/"
        own = [marker] if not stars[1] else [f"{stars[0]}{stem}{stars[2]}" for stem in _stems(path.name)]
        marking = next((f"{parent}{stem}" for stem in own if f"{parent}{stem}" in names), "")
        if marking:
            by_file[name] = marking
    return by_file


def _stems(name: str) -> list[str]:
    """A name, and what is left of it without each of its endings."""
    stems = [name]
    while "." in stems[-1].lstrip("."):
        stems.append(stems[-1].rpartition(".")[0])
    return stems


def _is_marker(name: str, marker: str) -> bool:
    before, star, behind = marker.partition("*")
    return name == marker if not star else name.startswith(before) and name.endswith(behind)


def digest(folder: Path, files: Mapping[str, Facts]) -> str:
    """The digest of files and their names: what a delivery is known by. Raises ``Unavailable`` where one is not the
    file any more that was looked at, but another, or a link, or a pipe."""
    whole = sha256()
    for name, own in sorted(files.items()):
        content = sha256()
        with _opened_file(folder, PurePosixPath(name), own) as file:
            while piece := file.read(CHUNK):
                content.update(piece)
        whole.update(sha256(os.fsencode(name)).digest() + content.digest())
    return whole.hexdigest()


def _opened_file(folder: Path, path: PurePosixPath, own: Facts) -> IO[bytes]:
    try:
        with _opened(folder, path.parent) as parent:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            file = os.fdopen(os.open(path.name, flags, dir_fd=parent), "rb")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
        raise Unavailable(CHANGED, "watch-file") from None
    here = os.fstat(file.fileno())
    if not stat.S_ISREG(here.st_mode) or _facts(here) != own:
        file.close()
        raise Unavailable(CHANGED, "watch-file")
    return file


def _facts(here: os.stat_result) -> Facts:
    return here.st_size, here.st_mtime_ns // 1000, here.st_ino


def facts(file: Lying) -> Facts:
    """What tells a file from another that got its name meanwhile.

    >>> facts(Lying(3, 5, node=7))
    (3, 5, 7)
    """
    return file.size, file.mtime, file.node


def put_away(folder: Path, files: Mapping[str, Facts], to: str) -> None:
    """Move files into ``to``, a folder beside them, or delete them where it is "". What was moved already is passed
    over, so that it can be done again after a kill; so is what is another file by now, which nobody has loaded. Nothing
    is written over, and no link is followed. Raises ``Unavailable`` where ``to`` is a link or no folder."""
    for name, own in files.items():
        _put_away(folder, PurePosixPath(name), own, to)
    for name in files:
        _remove_empty(folder, PurePosixPath(name).parent)


def _put_away(folder: Path, path: PurePosixPath, own: Facts, to: str) -> None:
    with suppress(FileNotFoundError), _opened(folder, path.parent) as source:
        here = os.stat(path.name, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISREG(here.st_mode) or _facts(here) != own:
            return
        if not to:
            os.unlink(path.name, dir_fd=source)
            return
        with _opened(folder, to / path.parent, make=True) as goal:
            os.rename(path.name, _free(path.name, goal), src_dir_fd=source, dst_dir_fd=goal)
            os.fsync(goal)


def write_report(folder: Path, name: str, data: bytes) -> None:
    """Write a report into ``failed``, over the one that is there. Raises ``Unavailable`` as ``put_away`` does."""
    with _opened(folder, PurePosixPath(FAILED), make=True) as goal:
        part = f".{secrets.token_hex(8)}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=goal)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                durable.close(file)
            os.replace(part, name, src_dir_fd=goal, dst_dir_fd=goal)
            os.fsync(goal)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=goal)
            raise


def remove_report(folder: Path, name: str) -> None:
    """Remove a report from ``failed``, where it is."""
    with suppress(FileNotFoundError), _opened(folder, PurePosixPath(FAILED)) as goal:
        os.unlink(name, dir_fd=goal)


@contextmanager
def _opened(folder: Path, within: PurePosixPath, make: bool = False) -> Iterator[int]:
    """A folder within a folder, opened without following a link. Raises ``FileNotFoundError`` where it is none; with
    ``make`` it is made, and ``Unavailable`` where that cannot be."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in within.parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                if make:
                    raise Unavailable(NO_FOLDER, "watch-folder") from None
                raise FileNotFoundError(errno.ENOENT, "no folder") from None
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path, parent: PurePosixPath) -> None:
    """Remove a folder and those above it, as far as they are empty."""
    while parent.name:
        with suppress(FileNotFoundError), _opened(folder, parent.parent) as above:
            try:
                os.rmdir(parent.name, dir_fd=above)
            except OSError:
                return
        parent = parent.parent


def _free(name: str, folder: int) -> str:
    """A name that nothing in an open folder has: the file's own, or with a number behind it."""
    number, goal = 1, name
    with suppress(FileNotFoundError):
        while os.stat(goal, dir_fd=folder, follow_symlinks=False):
            number += 1
            goal = f"{name}.{number}"
    return goal


def make_way(folder: Path) -> bool:
    """Give a file that has the name of ``done`` or ``failed`` another one, under which it is a delivery like any other.
    Return whether there was one. Raises ``Unavailable`` where one of them is a link: it may lead into another feed's
    folder."""
    was_there = False
    with _opened(folder, PurePosixPath()) as here:
        for name in (DONE, FAILED):
            with suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
                if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                    raise Unavailable(NO_FOLDER, "watch-folder")
                if stat.S_ISREG(mode):
                    os.rename(name, _free(f"{name}{ASIDE}", here), src_dir_fd=here, dst_dir_fd=here)
                    was_there = True
    return was_there

"""The folder where deliveries arrive: what lies in it, what is whole, and where it goes.

It is looked at again and again: a change on a share (NFS, SMB) tells nobody. A file is whole when nothing of it has
changed for a while, or when it was given its name after it was whole under a temporary one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from gateway import durable
from gateway.intake.watch.watches import DONE, FAILED
from gateway.store.hashes import hex64

TEMPORARY = (".part", ".tmp", ".filepart", ".partial", ".crdownload", ".writing", "~")
"""How names end of files that are being written."""
REPORT = ".report.json"
CHUNK = 1 << 20
US = 1_000_000


@dataclass(frozen=True, slots=True)
class Lying:
    """A file that lies there: its size, when its bytes changed (``mtime``) and when anything of it did (``changed``;
    µs UTC, 0 where nobody says)."""

    size: int
    mtime: int
    changed: int = 0
    node: int = 0


def is_temporary(name: str) -> bool:
    """Whether a file is hidden or being written.

    >>> [is_temporary(name) for name in ("a.csv", "a.csv.PART", ".a.csv", "a.csv~", "~$a.csv")]
    [False, True, True, True, True]
    """
    return name.startswith((".", "~$")) or name.lower().endswith(TEMPORARY)


def lying(folder: Path) -> tuple[dict[str, Lying], frozenset[int]]:
    """The files in a folder by their paths in it, and the nodes of those that are being written. Links, and what is
    done or failed, are left alone."""
    files: dict[str, Lying] = {}
    temporary: set[int] = set()
    for path, name in _walk(folder, ""):
        facts = path.stat(follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode):
            continue
        if is_temporary(path.name):
            temporary.add(facts.st_ino)
        elif not name.endswith(REPORT):
            files[name] = Lying(
                facts.st_size,
                facts.st_mtime_ns // 1000,
                max(facts.st_mtime_ns, facts.st_ctime_ns) // 1000,
                facts.st_ino,
            )
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
    renamed: Collection[int],
    now: int,
    seconds: int,
) -> tuple[set[str], dict[str, tuple[int, int, int]]]:
    """Which files are whole, and what to remember of the others and them until the next look (size, time of the bytes,
    when they were first seen so).

    ``renamed`` are the nodes of files that were temporary before: such a one was whole when it got its name. The clock
    of a share may be another: what it says of the future counts for nothing, and only looking does.
    """
    whole: set[str] = set()
    seen: dict[str, tuple[int, int, int]] = {}
    for name, file in files.items():
        key = hex64("name", os.fsencode(name).hex())
        last = before.get(key, (-1, -1, now))
        first = last[2] if last[:2] == (file.size, file.mtime) else now
        seen[key] = (file.size, file.mtime, first)
        is_old = 0 < file.changed <= now - seconds * US
        if is_old or now - first >= seconds * US or file.node in renamed:
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


def digest(folder: Path, names: Sequence[str]) -> str:
    """The digest of files and their names: what a delivery is known by."""
    whole = sha256()
    for name in sorted(names):
        content = sha256()
        with (folder / name).open("rb") as file:
            while piece := file.read(CHUNK):
                content.update(piece)
        whole.update(sha256(os.fsencode(name)).digest() + content.digest())
    return whole.hexdigest()


def put_away(folder: Path, names: Sequence[str], to: str) -> None:
    """Move files into ``to``, a folder beside them, or delete them where it is "". What was moved already is passed
    over, so that it can be done again after a kill. Nothing is written over."""
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        if to:
            goal = free(folder / to / name)
            goal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.rename({path: goal})
        else:
            path.unlink()
    for name in names:
        _remove_empty(folder, (folder / name).parent)


def _remove_empty(folder: Path, parent: Path) -> None:
    while parent != folder and parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()
        parent = parent.parent


def free(path: Path) -> Path:
    """A name that nothing has: the path's own, or with a number behind it."""
    number, goal = 1, path
    while goal.exists():
        number += 1
        goal = path.with_name(f"{path.name}.{number}")
    return goal

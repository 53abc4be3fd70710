"""How the watched folders stand: a file beside the store, written whole whenever something changes.

It is a memory of times and counts. What was loaded is the store's to say, so that a lost file costs a look at each
delivery and loads none of them twice. It names no file but those that are on their way elsewhere: a sender may have
put a patient's name there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway import durable
from gateway.store import faults, file_locks


class Gap(msgspec.Struct):
    """What no delivery of a stream brought: from ``low`` to ``high``, in the source's own words that sort; ``at`` is
    when it was seen (µs UTC)."""

    stream: str
    low: str
    high: str
    at: int


class Standing(msgspec.Struct):
    """How the folder of a feed stands. Times are µs UTC, 0 for never.

    ``looked`` is the last look that reached the folder, ``loaded`` the end of the last load, ``extracted`` the newest
    extract time of each stream in digits, ``until`` where it ended. ``waiting`` deliveries are complete and not loaded,
    ``incomplete`` ones have not come whole, ``refused`` ones lie in ``failed``, the last of them for the ``reason``.
    ``trouble`` says why nothing is loaded now, ``retry`` when it is tried again after so many ``attempts``. ``late``
    and ``look`` are the hours and seconds that its settings allow. ``still`` holds size, time and first sight of each
    file by its token, ``known`` what became of those that are left where they lie. ``settling`` are the files on their
    way to ``done``, ``failed`` or out, ``facts`` the size, time and node that each of them had when it was looked at;
    ``sent_away`` those to be moved likewise on a server.
    """

    source: str = ""
    began: int = 0
    looked: int = 0
    loaded: int = 0
    extracted: dict[str, str] = {}
    until: dict[str, str] = {}
    gaps: list[Gap] = []
    waiting: int = 0
    incomplete: int = 0
    refused: int = 0
    reason: str = ""
    trouble: str = ""
    attempts: int = 0
    retry: int = 0
    late: float = 0
    look: int = 0
    counts: dict[str, int] = {}
    still: dict[str, tuple[int, int, int]] = {}
    known: dict[str, str] = {}
    settling: dict[str, str] = {}
    facts: dict[str, tuple[int, int, int]] = {}
    sent_away: dict[str, str] = {}

    def count(self, what: str) -> None:
        """Count something that happened."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def faults(self, now: int) -> list[str]:
        """What an operator has to look at, in words."""
        words = [f"{len(self.gaps)} gaps"] if self.gaps else []
        words += [f"{self.refused} refused"] if self.refused else []
        words += [self.trouble] if self.trouble else []
        if self.late and now - max(self.loaded, self.began) > self.late * HOUR:
            words.append(f"nothing came for {self.late:g} hours")
        if now - max(self.looked, self.began) > max(LOOKS * self.look, LEAST_SECONDS) * 1_000_000:
            words.append("nobody looks: is gateway watch running?")
        return words


HOUR = 3_600_000_000
LOOKS, LEAST_SECONDS = 10, 900
"""A folder at which nobody looked for so many of its intervals, and so many seconds, is watched by nobody."""
_decoded = msgspec.json.Decoder(dict[str, Standing]).decode


def standings(path: Path) -> dict[str, Standing]:
    """How each watched feed stands, by its name. Raises ``Unavailable`` for an outage of the disk; a file that is
    damaged says nothing."""
    with faults.named():
        data = path.read_bytes() if path.is_file() else b"{}"
    try:
        return {name: _renamed(feed, _name) for name, feed in sorted(_decoded(data).items())}
    except (msgspec.DecodeError, ValueError):
        return {}


def save(path: Path, standing: Mapping[str, Standing]) -> None:
    """Write how every feed stands."""
    with faults.named():
        durable.write_whole(path, msgspec.json.encode({name: _renamed(feed, _text) for name, feed in standing.items()}))


def _renamed(standing: Standing, spell: Callable[[str], str]) -> Standing:
    """How a feed stands, with the names of files spelled otherwise."""
    return msgspec.structs.replace(
        standing,
        settling={spell(name): to for name, to in standing.settling.items()},
        facts={spell(name): facts for name, facts in standing.facts.items()},
        sent_away={spell(name): to for name, to in standing.sent_away.items()},
    )


def _text(name: str) -> str:
    """A file's name as JSON can hold it: one that is not UTF-8 as its bytes, behind a NUL, which no name holds.

    >>> _text(os.fsdecode(bytes([90, 235]))), _text("Zoë")
    ('\\x005aeb', 'Zoë')
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"\0{os.fsencode(name).hex()}"
    return name


def _name(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text[1:])) if text.startswith("\0") else text


def forget_others(path: Path, names: Collection[str]) -> None:
    """Forget feeds that are watched no more: they would be late for ever."""
    before = standings(path)
    after = {name: standing for name, standing in before.items() if name in names}
    if after != before:
        save(path, after)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Be the only watcher of a data folder while the block runs. A second one is refused with ``Refused``."""
    lock = file_locks.sole(f"{path}.watcher", "gateway watch")
    try:
        yield
    finally:
        os.close(lock)

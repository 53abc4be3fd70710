"""What listeners received: on disk before it is acknowledged, and there until it is mapped.

A file of its own, so that an acknowledgement never waits for a loader's turn at the database. A message goes when the
store has it. What stays for a while is its control id, the digest of its bytes and how it was acknowledged, so that the
same message sent again gets the same answer.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from gateway.store import faults, file_locks
from gateway.store.append_file import AppendFile, Table
from gateway.store.hashes import hex64
from gateway.store.statements import Columns

WAITING = Columns("inbox", ("seq", "at", "message", "feed", "control", "digest", "code", "reason"))
KNOWN = Columns("known", ("control", "digest", "code", "at"))
TALLY = Columns("tally", ("feed", "name", "value"))
FILE = Table(
    WAITING.table,
    "message",
    is_bytes=True,
    beside=WAITING.names[3:],
    may_go=True,
    more="CREATE INDEX IF NOT EXISTS inbox_control ON inbox (control);"
    "CREATE INDEX IF NOT EXISTS inbox_feed ON inbox (feed, seq);"
    "CREATE TABLE IF NOT EXISTS known (control TEXT NOT NULL, digest TEXT NOT NULL, code TEXT NOT NULL, "
    "at INTEGER NOT NULL, PRIMARY KEY (control, digest)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS known_at ON known (at);"
    "CREATE TABLE IF NOT EXISTS tally (feed TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, "
    "PRIMARY KEY (feed, name)) WITHOUT ROWID;",
)
LAST = "last"
"""The tally of when a feed's last message came (µs UTC). All others count."""
_TAKEN = f"SELECT {WAITING.only('seq at message control digest code reason')} FROM inbox WHERE feed = ?"
_SAME = (
    f"SELECT {KNOWN.only('digest code')} FROM known WHERE control = ? "
    f"UNION ALL SELECT {WAITING.only('digest code')} FROM inbox WHERE control = ?"
)
_REMEMBER = (
    f"INSERT OR REPLACE INTO known ({KNOWN.all}) SELECT {WAITING.only('control digest code at')} FROM inbox "
    "WHERE seq IN (SELECT value FROM json_each(?))"
)
_GONE = "DELETE FROM inbox WHERE seq IN (SELECT value FROM json_each(?))"
_COUNT = f"INSERT INTO tally ({TALLY.all}) VALUES (?, ?, ?) ON CONFLICT (feed, name) DO UPDATE SET value = "
_STANDING = "SELECT feed, count(*), min(at) FROM inbox GROUP BY feed"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits to be mapped: ``at`` is when it was on disk (µs UTC), ``reason`` why it is taken for a
    reject without being read, "" for one to be read."""

    seq: int
    at: int
    payload: bytes
    control: str
    digest: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a feed stands: how many messages wait, since when the oldest does, when its last one came (µs UTC, 0 for
    none), and what was counted of it ever since (``received``, ``mapped``, ``AA`` …)."""

    waiting: int
    oldest: int
    last: int
    counts: Mapping[str, int]


def control_of(feed: str, *names: str) -> str:
    """The name of a control id: of a feed, and of who sent it. What was sent cannot be told from it."""
    return hex64("control", feed, *names)


def digest_of(payload: bytes) -> str:
    """The digest that tells whether two messages of one control id are the same."""
    return sha256(payload).hexdigest()[:32]


class Inbox:
    """The open file, of one listening process: a second one is refused with ``Refused``."""

    def __init__(self, path: Path):
        self._lock = file_locks.sole(f"{path}.listener", "gateway listen")
        with faults.named():
            self._file = AppendFile(path, FILE)
            self._connection = self._file.connect()
        self.arrived = threading.Event()
        """Set when a message was kept. Whoever maps clears it before looking."""

    async def keep(self, payload: bytes, feed: str, control: str, digest: str, code: str, reason: str) -> None:
        """Return when the message is on disk. Raises what keeps it from being written."""
        await self._file.appended(payload, feed, control, digest, code, reason)
        self.arrived.set()

    def same(self, control: str) -> dict[str, str]:
        """How the messages of a control id were acknowledged, by their digest."""
        return dict(self._connection.execute(_SAME, (control, control)).fetchall())

    def waiting(self) -> Counter[str]:
        """How many messages of each feed wait."""
        with faults.named(), self._used() as connection:
            return Counter({feed: count for feed, count, _ in connection.execute(_STANDING)})

    def batch(self, feed: str, most: int, most_bytes: int) -> list[Message]:
        """The oldest messages of a feed, in the order they came: so many, or fewer where they are large."""
        messages: list[Message] = []
        size = 0
        with faults.named(), self._used() as connection, closing(connection.cursor()) as cursor:
            for seq, at, payload, *others in cursor.execute(f"{_TAKEN} ORDER BY seq LIMIT ?", (feed, most)):
                size += len(payload)
                if messages and size > most_bytes:
                    break
                messages.append(Message(seq, at, bytes(payload), *others))
        return messages

    def settle(self, messages: Sequence[Message]) -> None:
        """Let go of messages that the store has, and remember their control ids."""
        seqs = f"[{','.join(str(message.seq) for message in messages)}]"
        with faults.named(), self._used() as connection, _transaction(connection):
            connection.execute(_REMEMBER, (seqs,))
            connection.execute(_GONE, (seqs,))

    def forget(self, before: int) -> int:
        """Forget control ids that came before a time (µs UTC); return how many."""
        with faults.named(), self._used() as connection:
            count: int = connection.execute("DELETE FROM known WHERE at < ?", (before,)).rowcount
            return count

    def count(self, feed: str, counts: Mapping[str, int], last: int = 0) -> None:
        """Add to the counts of a feed; ``last`` is when its last message came."""
        with faults.named(), self._used() as connection, _transaction(connection):
            connection.executemany(f"{_COUNT}value + excluded.value", [(feed, *item) for item in counts.items()])
            if last:
                connection.execute(f"{_COUNT}max(value, excluded.value)", (feed, LAST, last))

    @contextmanager
    def _used(self) -> Iterator[sqlite.Connection]:
        """A connection for one act of another thread than the event loop's."""
        with closing(self._file.connect()) as connection:
            yield connection

    def close(self) -> None:
        """Write what is pending, and let another process listen."""
        self._file.close()
        self._connection.close()
        os.close(self._lock)


def standings(path: Path) -> dict[str, Standing]:
    """How each feed stands whose messages were ever received, by its name. Raises ``Unavailable``."""
    if not path.is_file():
        return {}
    with faults.named(is_reading=True), closing(sqlite.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        waiting = {feed: (count, oldest) for feed, count, oldest in connection.execute(_STANDING)}
        counts: dict[str, dict[str, int]] = {feed: {} for feed in waiting}
        for feed, name, value in connection.execute(f"SELECT {TALLY.all} FROM tally"):
            counts.setdefault(feed, {})[name] = value
    return {
        feed: Standing(*waiting.get(feed, (0, 0)), counts[feed].pop(LAST, 0), counts[feed]) for feed in sorted(counts)
    }


@contextmanager
def _transaction(connection: sqlite.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")

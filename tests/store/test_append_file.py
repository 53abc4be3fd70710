"""An append-only file with group commit keeps whatever its table says: text or bytes, in the order they came."""

import asyncio
import threading
import time

import pysqlite3.dbapi2 as sqlite
import pytest

from gateway.store import append_file
from gateway.store.append_file import AppendFile, Table

MESSAGES = Table(
    "inbox", "message", is_bytes=True, more="CREATE TABLE IF NOT EXISTS answered (seq INTEGER PRIMARY KEY);"
)


@pytest.fixture
def inbox(tmp_path):
    opened = AppendFile(tmp_path / "inbox.db", MESSAGES)
    yield opened
    opened.close()


def kept(inbox) -> list[bytes]:
    with inbox.reading() as reading:
        return [message for (message,) in reading.stream("SELECT message FROM inbox ORDER BY seq")]


def test_bytes_come_back_as_they_were(inbox):
    messages = [b"MSH|^~\\&|A\r\x1c", bytes(range(256)), "é".encode("latin-1"), b"x"]
    for message in messages:
        inbox.append(message)
    assert kept(inbox) == messages


def test_what_is_appended_is_on_disk_when_append_returns(inbox, tmp_path):
    inbox.append(b"one")
    other = sqlite.connect(str(tmp_path / "inbox.db"))
    assert other.execute("SELECT seq, message FROM inbox").fetchall() == [(1, b"one")]
    other.close()


def test_threads_and_the_event_loop_share_commits(inbox, monkeypatch):
    commits, real = [], AppendFile._write
    monkeypatch.setattr(AppendFile, "_write", lambda *args: (commits.append(len(args[2])), real(*args))[1])

    async def together() -> None:
        await asyncio.gather(*(inbox.appended(b"loop %d" % number) for number in range(50)))

    threads = [threading.Thread(target=inbox.append, args=(b"thread %d" % number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    asyncio.run(together())
    for thread in threads:
        thread.join()
    assert sum(commits) == len(kept(inbox)) == 60 and len(commits) < 60


@pytest.mark.parametrize("rows", [3, 40])
def test_a_row_behind_more_than_one_batch_is_on_disk_when_append_returns(inbox, monkeypatch, rows):
    monkeypatch.setattr(append_file, "BATCH", 2)
    late = []

    def append(message: bytes) -> None:
        inbox.append(message)
        if message not in kept(inbox):
            late.append(message)

    threads = [threading.Thread(target=append, args=(b"%d" % number,)) for number in range(rows)]
    with inbox._turn:
        for thread in threads:
            thread.start()
        while len(inbox._waiting) < rows:
            time.sleep(0.001)
        inbox._waiting.rotate(-1)  # whoever waits longest for its turn is no longer first in the file
    for thread in threads:
        thread.join()
    assert not late and len(kept(inbox)) == rows


def test_a_row_of_the_event_loop_behind_more_than_one_batch_is_on_disk_when_it_is_answered(inbox, monkeypatch):
    monkeypatch.setattr(append_file, "BATCH", 2)

    async def append(message: bytes) -> bool:
        await inbox.appended(message)
        return message in kept(inbox)

    async def together() -> list[bool]:
        return await asyncio.gather(*(append(b"%d" % number) for number in range(40)))

    assert all(asyncio.run(together())) and len(kept(inbox)) == 40


def test_a_row_is_neither_changed_nor_deleted(inbox):
    inbox.append(b"one")
    connection = inbox.connect()
    for change in ("UPDATE inbox SET message = x'00'", "DELETE FROM inbox"):
        with pytest.raises(sqlite.IntegrityError, match="append only"):
            connection.execute(change)
    connection.execute("INSERT INTO answered VALUES (1)")
    connection.close()


def test_a_file_is_opened_again_with_what_it_holds(tmp_path):
    for number in range(3):
        opened = AppendFile(tmp_path / "again.db", MESSAGES)
        opened.append(b"%d" % number)
        assert kept(opened) == [b"%d" % each for each in range(number + 1)]
        opened.close()


def test_a_probe_raises_when_append_would_and_leaves_nothing(inbox, monkeypatch):
    monkeypatch.setattr(append_file, "PROBE_SECONDS", 0)
    inbox.probe()
    assert kept(inbox) == []
    connection = inbox.connect()
    connection.execute("ALTER TABLE inbox RENAME TO elsewhere")
    for write in (inbox.probe, lambda: inbox.append(b"one")):
        with pytest.raises(sqlite.OperationalError):
            write()
    connection.close()

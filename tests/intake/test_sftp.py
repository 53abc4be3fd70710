"""Deliveries on a real SFTP server: fetched once, whole, from the server that is meant, and moved there when loaded."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from gateway.errors import Unavailable
from gateway.intake.watch import sftp, watches
from gateway.intake.watch.looking import Outcome
from gateway.intake.watch.watching import Watcher
from gateway.store import watched
from gateway.store.database import open_store
from gateway.terminology import sets
from mappings import Feed, sources
from tests.mappings.harness_hl7v2 import adt
from tests.schema import sqlite_url

CODE_SETS = sets.load(sandbox=True)


class Server:
    """An SFTP server in a thread: one user, one key, one folder. ``cut`` ends connections after so many reads."""

    def __init__(self, root: Path, client: asyncssh.SSHKey):
        self.root, self.key, self.client = root, asyncssh.generate_private_key("ssh-ed25519"), client
        self.cut, self.reads = 0, 0
        self.hangs, self.longer = "", 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._listener: asyncssh.SSHAcceptor | None = None
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    @property
    def host_key(self) -> str:
        return self.key.export_public_key().decode().strip()

    def start(self) -> None:
        outer = self

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel):
                super().__init__(channel, chroot=str(outer.root))

            async def scandir(self, path):
                if outer.hangs == "scandir":
                    await asyncio.sleep(2)
                async for entry in super().scandir(path):
                    yield entry

            async def rename(self, oldpath, newpath):
                if outer.hangs == "rename":
                    await asyncio.sleep(2)
                super().rename(oldpath, newpath)

            def read(self, file, offset, size):
                if outer.longer:
                    return bytes(min(size, max(0, outer.longer - offset)))
                outer.reads += 1
                if outer.cut and outer.reads > outer.cut:
                    self.channel.get_connection().abort()
                return super().read(file, offset, size)

        async def listen():
            return await asyncssh.listen(
                "127.0.0.1", self.port, server_host_keys=[self.key], sftp_factory=Files, password_auth=False,
                authorized_client_keys=asyncssh.import_authorized_keys(self.client.export_public_key().decode()),
            )  # fmt: skip

        self._listener = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(20)
        self.port = self._listener.get_port()

    def stop(self) -> None:
        async def close():
            self._listener.close()
            await self._listener.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(20)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "key"))
    (folder / "remote" / "out").mkdir(parents=True)
    server = Server(folder / "remote", key)
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as started:
        yield started


def message(number: int) -> bytes:
    return adt("A28", "20250601070000", f"PID|1||H{number}^^^RXQ||Marsh^Ann||19700203|2").encode()


class Pull:
    """A store that watches the server, and what came of each look."""

    def __init__(self, server: Server, folder: Path, **settings):
        self.server, self.folder = server, folder
        self.store = open_store(sqlite_url(folder / "gateway.db"), create="sandbox")
        address = f"sftp://me@127.0.0.1:{server.port}/out"
        self.settings = {
            "source": "hl7v2", "folder": address, "key": str(folder / "key"), "host_key": server.host_key,
            "still_seconds": 0, "late_hours": 0, **settings,
        }  # fmt: skip
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.watcher = self.again()

    def again(self) -> Watcher:
        watch = watches.opened(Feed("ward", settings={"watch": self.settings}), sources(), self.spool)
        self.watcher = Watcher(
            self.store, CODE_SETS, [watch], self.spool, self.folder / "watch.json", lambda *became: None, workers=0
        )
        return self.watcher

    def put(self, name: str, data: bytes) -> None:
        path = self.server.root / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    @property
    def remote(self) -> list[str]:
        root = self.server.root / "out"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    @property
    def here(self) -> list[str]:
        return sorted(str(path.relative_to(self.spool)) for path in self.spool.rglob("*") if path.is_file())

    @property
    def standing(self) -> watched.Standing:
        return watched.standings(self.folder / "watch.json")["ward"]

    def loads(self) -> int:
        with self.store.read() as session:
            return session.value("SELECT count(*) FROM delivery WHERE report <> ''")


@pytest.fixture
def pull(server, tmp_path):
    opened = []

    def make(**settings) -> Pull:
        opened.append(Pull(server, tmp_path, **settings))
        return opened[-1]

    yield make
    for each in opened:
        each.store.close()


@pytest.mark.hazard("HZ-FEED-13")
@pytest.mark.parametrize(
    "after, left", [("move", ["done/a.hl7", "done/in/b.hl7"]), ("leave", ["a.hl7", "in/b.hl7"]), ("delete", [])]
)
def test_what_lies_on_a_server_is_loaded_once(pull, after, left):
    feed = pull(after=after)
    feed.put("a.hl7", message(1))
    feed.put("in/b.hl7", message(2))
    feed.put("c.hl7.part", message(3))
    for _ in range(3):
        assert feed.watcher.once()
    assert feed.again().once() and feed.loads() == 2
    assert feed.remote == sorted([*left, "c.hl7.part"]) and feed.here == []
    feed.put("d.hl7", message(4))
    assert feed.watcher.once() and feed.loads() == 3


def test_what_is_refused_is_put_aside_here_and_there(pull):
    feed = pull(source="cld")
    feed.put("a.csv", b"not,a,return\n")
    assert not feed.watcher.once()
    assert not feed.watcher.once() and feed.remote == ["failed/a.csv"]
    assert feed.here == ["fetched-ward/failed/a.csv", "fetched-ward/failed/a.csv.report.json"]


def test_a_file_is_fetched_when_it_stands_still(pull):
    now = [1_700_000_000_000_000]
    feed = pull(still_seconds=60)
    feed.store.clock = lambda: now[0]
    feed.put("a.hl7", message(1)[:50])
    for _ in range(3):
        assert feed.watcher._lookers[0].look() is Outcome.NOTHING and feed.loads() == 0
        now[0] += 61_000_000
        feed.put("a.hl7", message(1)[: 60 + now[0] % 7 + len(feed.here)])
        feed.put("a.hl7", (feed.server.root / "out" / "a.hl7").read_bytes() + bytes(now[0] // 61_000_000 % 5) + b"\r")
    feed.put("a.hl7", message(1))
    assert feed.watcher._lookers[0].look() is Outcome.NOTHING
    now[0] += 60_000_000
    assert feed.watcher._lookers[0].look() is Outcome.LOADED


@pytest.mark.hazard("HZ-FEED-13")
def test_a_connection_that_breaks_is_made_again_and_half_a_file_is_no_file(pull, server):
    feed = pull()
    feed.put("a.hl7", message(1) + b"\rNTE|1||" + b"x" * 3_000_000)
    server.cut = server.reads + 1
    assert not feed.watcher.once() and feed.loads() == 0 and feed.here == [] and "SFTP" in feed.standing.trouble
    server.cut = 0
    assert feed.watcher.once() and feed.loads() == 1
    server.stop()
    feed.put("b.hl7", message(2))
    assert not feed.watcher.once() and feed.standing.attempts == 1 and feed.standing.retry
    assert feed.watcher._lookers[0].look() is Outcome.HELD and feed.standing.attempts == 1
    server.start()
    assert feed.watcher.once() and feed.loads() == 2 and not feed.standing.trouble


@pytest.mark.hazard("HZ-FEED-19")
def test_a_server_with_another_key_gets_nothing_and_gives_nothing(pull):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    feed = pull(host_key=other)
    feed.put("a.hl7", message(1))
    assert not feed.watcher.once() and feed.loads() == 0 and feed.remote == ["a.hl7"]
    assert feed.standing.trouble == "SFTP: the server shows another key than host_key"


@pytest.mark.hazard("HZ-FEED-25")
@pytest.mark.parametrize("act", ["scandir", "rename"])
def test_a_server_that_hangs_is_given_up(pull, server, monkeypatch, act):
    monkeypatch.setattr(sftp, "ACT_SECONDS", 0.5)
    feed = pull()
    feed.put("a.hl7", message(1))
    server.hangs = act
    feed.watcher.once()
    assert not feed.watcher.once() and "SFTP" in feed.standing.trouble
    server.hangs = ""
    assert feed.watcher.once() and feed.loads() == 1 and feed.remote == ["done/a.hl7"]


@pytest.mark.hazard("HZ-FEED-25")
@pytest.mark.parametrize("longer", [1, 1 << 26])
def test_a_file_of_another_length_than_was_listed_is_no_file(pull, server, longer):
    feed = pull()
    feed.put("a.hl7", message(1))
    server.longer = longer
    feed.watcher.once()
    assert feed.loads() == 0 and feed.here == [] and feed.remote == ["a.hl7"]
    server.longer = 0
    assert feed.watcher.once() and feed.loads() == 1


@pytest.mark.hazard("HZ-FEED-25")
def test_names_without_number_are_refused(pull, monkeypatch):
    monkeypatch.setattr(sftp, "MOST_NAMES", 10)
    feed = pull()
    for number in range(11):
        feed.put(f"{number}.part", b"")
    assert not feed.watcher.once() and "more than 10 names" in feed.standing.trouble


@pytest.mark.hazard("HZ-FEED-23")
@pytest.mark.parametrize("after", ["move", "delete"])
def test_a_file_that_is_replaced_on_the_server_before_it_is_moved_is_loaded_too(pull, after):
    feed = pull(after=after)
    feed.put("a.hl7", message(1))
    assert feed.watcher._lookers[0].look() is Outcome.LOADED
    feed.put("a.hl7", message(1000))
    assert feed.watcher.once() and feed.loads() == 2
    assert feed.remote == {"move": ["done/a.hl7"], "delete": []}[after]


@pytest.mark.parametrize("name", ["done", "failed"])
@pytest.mark.parametrize("after", ["move", "leave"])
def test_a_file_on_the_server_that_is_named_as_one_of_our_folders_stops_no_other(pull, name, after):
    feed = pull(after=after)
    feed.put(name, message(1))
    feed.put("a.hl7", message(2))
    assert feed.watcher.once() and feed.watcher.once()
    assert feed.remote == {"move": ["done/a.hl7", f"done/{name}.file"], "leave": sorted(["a.hl7", name])}[after]
    assert feed.loads() == (2 if after == "move" else 1)


@pytest.mark.hazard("HZ-FEED-24")
def test_a_name_on_the_server_that_is_not_utf_8_is_refused_and_stops_no_other(pull):
    feed = pull()
    feed.put(os.fsdecode(b"Zo\xeb.hl7"), message(1))
    feed.put("z.hl7", message(2))
    assert not feed.watcher.once() and feed.loads() == 1
    assert not feed.watcher.once() and feed.remote == ["done/z.hl7", os.fsdecode(b"failed/Zo\xeb.hl7")]


def test_a_key_that_the_server_does_not_know_is_told(pull, tmp_path):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))
    feed = pull(key=str(tmp_path / "other"))
    assert not feed.watcher.once() and "does not let this user in" in feed.standing.trouble


def test_a_key_with_a_passphrase_opens(pull, server, tmp_path):
    key = asyncssh.read_private_key(str(tmp_path / "key"))
    key.write_private_key(str(tmp_path / "closed"), passphrase="open sesame")
    (tmp_path / "phrase").write_text("open sesame\n")
    feed = pull(key=str(tmp_path / "closed"), key_passphrase_file=str(tmp_path / "phrase"))
    feed.put("a.hl7", message(1))
    assert feed.watcher.once() and feed.loads() == 1
    (tmp_path / "phrase").write_text("wrong\n")
    assert not feed.again().once() and "passphrase" in feed.standing.trouble


def test_a_folder_that_is_not_there_is_told(pull, server):
    remote = watches.Remote("me", "127.0.0.1", server.port, "/none", str(pull().folder / "key"), "", server.host_key)
    with sftp.connected(remote) as connection, pytest.raises(Unavailable, match="SFTP"):
        connection.files()

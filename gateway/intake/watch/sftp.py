"""The only home of ``asyncssh``: an SFTP server, signed in with a key, whose own key is known beforehand.

https://asyncssh.readthedocs.io/en/latest/api.html. Nothing of the operator's own SSH configuration, agent or
known hosts plays a part, and no password is ever sent.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from gateway import durable
from gateway.errors import Unavailable
from gateway.intake.watch.landing import ASIDE, REPORT, Lying, is_temporary
from gateway.intake.watch.watches import DONE, FAILED, Remote
from gateway.store import faults

T = TypeVar("T")
AWAY = "sftp-away"
CONNECT_SECONDS, QUIET_SECONDS, ACT_SECONDS = 30, 120, 300
"""How long a server may take to let us in, for each piece of a file, and for anything else: one that hangs would keep
all feeds waiting."""
SLOWEST = 20_000
"""Bytes of a file that come each second at least, on the whole."""
DEEPEST, MOST_NAMES = 4, 100_000
"""Folders within folders that are looked into, and names that are listed."""
US = 1_000_000
_FOLDER, _REGULAR = asyncssh.FILEXFER_TYPE_DIRECTORY, asyncssh.FILEXFER_TYPE_REGULAR


class Server:
    """An open connection. Each method raises ``Unavailable`` where the server does not do it."""

    def __init__(self, runner: asyncio.Runner, remote: Remote):
        self._runner, self._remote = runner, remote
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def open(self) -> None:
        self._run(self._open(), 2 * CONNECT_SECONDS)

    async def _open(self) -> None:
        remote = self._remote
        phrase = Path(remote.key_passphrase_file).read_text().strip() if remote.key_passphrase_file else None
        self._connection = await asyncssh.connect(
            remote.host,
            remote.port,
            username=remote.user,
            client_keys=[asyncssh.read_private_key(remote.key, phrase)],
            known_hosts=asyncssh.import_known_hosts(f"* {remote.host_key}\n"),
            preferred_auth="publickey",
            config=None,
            agent_path=None,
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
            keepalive_interval=15,
        )
        self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")

    def _run(self, work: Coroutine[Any, Any, T], seconds: float = 0) -> T:
        try:
            return self._runner.run(asyncio.wait_for(work, seconds or ACT_SECONDS))
        except asyncssh.HostKeyNotVerifiable:
            raise Unavailable("SFTP: the server shows another key than host_key", AWAY) from None
        except asyncssh.PermissionDenied:
            raise Unavailable("SFTP: the server does not let this user in with this key", AWAY) from None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise Unavailable("SFTP: key, its passphrase or host_key cannot be read", AWAY) from None
        except (TimeoutError, asyncssh.Error, OSError) as error:
            if isinstance(error, OSError) and (code := faults.meaning(error)):
                raise faults.unavailable(code) from None
            raise Unavailable(f"SFTP: the server cannot be reached or refuses ({type(error).__name__})", AWAY) from None

    def files(self) -> dict[str, Lying]:
        """The files of the folder, by their paths in it; what is being written, done or failed is left out."""
        files: dict[str, Lying] = {}
        self._run(self._list(files))
        return dict(sorted(files.items()))

    async def _list(self, files: dict[str, Lying]) -> None:
        assert self._client
        folders, count = [(self._remote.path, "", DEEPEST)], 0
        while folders:
            folder, within, deep = folders.pop()
            async for entry in self._client.scandir(folder):
                own, facts = str(entry.filename), entry.attrs
                name, count = f"{within}{own}", count + 1
                if count > MOST_NAMES:
                    raise Unavailable(f"SFTP: the folder holds more than {MOST_NAMES} names", AWAY)
                if own in (".", "..") or "/" in own or "\0" in own or is_temporary(own) or own.endswith(REPORT):
                    continue
                if name in (DONE, FAILED):
                    continue
                if facts.type == _FOLDER and deep:
                    folders.append((posixpath.join(folder, own), f"{name}/", deep - 1))
                elif facts.type == _REGULAR:
                    files[name] = _lying(facts)

    def fetch(self, name: str, to: Path, file: Lying, step: Callable[[], None]) -> bool:
        """Bring a file here, whole and on disk before it has its name. Return False for one that is longer or shorter
        than it was when it was listed: it is being written."""
        part = to.with_name(f".{to.name}.part")
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            is_whole = self._run(self._fetch(name, part, file.size, step), ACT_SECONDS + file.size / SLOWEST)
            if is_whole:
                durable.rename({part: to})
            return is_whole
        finally:
            part.unlink(missing_ok=True)

    async def _fetch(self, name: str, part: Path, size: int, step: Callable[[], None]) -> bool:
        assert self._client
        count = 0
        async with self._client.open(posixpath.join(self._remote.path, name), "rb") as source:
            out = durable.new(part)
            try:
                while count <= size and (piece := await asyncio.wait_for(source.read(1 << 20), QUIET_SECONDS)):
                    count += out.write(piece if isinstance(piece, bytes) else piece.encode())
                    step()
                durable.close(out)
            finally:
                out.close()
        return count == size

    def make_way(self) -> bool:
        """Give a file that has the name of ``done`` or ``failed`` another one, under which it is a delivery like any
        other. Return whether there was one."""
        return self._run(self._make_way())

    async def _make_way(self) -> bool:
        assert self._client
        was_there = False
        for name in (DONE, FAILED):
            path = posixpath.join(self._remote.path, name)
            if await self._client.exists(path) and (await self._client.lstat(path)).type == _REGULAR:
                await self._client.rename(path, await self._free(f"{path}{ASIDE}"))
                was_there = True
        return was_there

    def put_away(self, name: str, to: str, file: Lying) -> None:
        """Move a file into a folder beside, or remove it where that is "". One that is not there any more is passed
        over, and one that has another size or time by now: nobody has loaded it."""
        self._run(self._put_away(name, to, file))

    async def _put_away(self, name: str, to: str, file: Lying) -> None:
        assert self._client
        path = posixpath.join(self._remote.path, name)
        if not await self._client.exists(path) or _lying(await self._client.lstat(path)) != file:
            return
        if not to:
            await self._client.remove(path)
            return
        goal = posixpath.join(self._remote.path, to, name)
        await self._client.makedirs(posixpath.dirname(goal), exist_ok=True)
        await self._client.rename(path, await self._free(goal))
        if posixpath.dirname(name):
            with suppress(asyncssh.Error):  # others lie there still
                await self._client.rmdir(posixpath.dirname(path))

    async def _free(self, path: str) -> str:
        assert self._client
        number, goal = 1, path
        while await self._client.exists(goal):
            number += 1
            goal = f"{path}.{number}"
        return goal

    def close(self) -> None:
        with suppress(Exception):
            self._runner.run(self._close())

    async def _close(self) -> None:
        if self._client:
            self._client.exit()
        if self._connection:
            self._connection.close()
            await asyncio.wait_for(self._connection.wait_closed(), 5)


def _lying(facts: asyncssh.SFTPAttrs) -> Lying:
    return Lying(facts.size or 0, (facts.mtime or 0) * US)


@contextmanager
def connected(remote: Remote) -> Iterator[Server]:
    """A connection while the block runs. Raises ``Unavailable`` where there is none."""
    with asyncio.Runner() as runner:
        server = Server(runner, remote)
        try:
            server.open()
            yield server
        finally:
            server.close()

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
from gateway.intake.watch.landing import REPORT, Lying, is_temporary
from gateway.intake.watch.watches import DONE, FAILED, Remote
from gateway.store import faults

T = TypeVar("T")
AWAY = "sftp-away"
CONNECT_SECONDS, QUIET_SECONDS = 30, 120
DEEPEST = 4
"""Folders within folders that are looked into."""
US = 1_000_000
_FOLDER, _REGULAR = asyncssh.FILEXFER_TYPE_DIRECTORY, asyncssh.FILEXFER_TYPE_REGULAR


class Server:
    """An open connection. Each method raises ``Unavailable`` where the server does not do it."""

    def __init__(self, runner: asyncio.Runner, remote: Remote):
        self._runner, self._remote = runner, remote
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def open(self) -> None:
        self._run(self._open())

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
        self._client = await self._connection.start_sftp_client()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(work)
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
        return dict(sorted(self._run(self._files(self._remote.path, "", DEEPEST))))

    async def _files(self, folder: str, within: str, deep: int) -> list[tuple[str, Lying]]:
        assert self._client
        files: list[tuple[str, Lying]] = []
        folders = []
        async for entry in self._client.scandir(folder):
            own, facts = str(entry.filename), entry.attrs
            name = f"{within}{own}"
            if own in (".", "..") or "/" in own or "\0" in own or is_temporary(own) or own.endswith(REPORT):
                continue
            if facts.type == _FOLDER and deep and name not in (DONE, FAILED):
                folders.append((posixpath.join(folder, own), f"{name}/"))
            elif facts.type == _REGULAR:
                files.append((name, Lying(facts.size or 0, (facts.mtime or 0) * US)))
        for path, name in folders:
            files += await self._files(path, name, deep - 1)
        return files

    def fetch(self, name: str, to: Path, step: Callable[[], None]) -> None:
        """Bring a file here, whole and on disk before it has its name."""
        part = to.with_name(f".{to.name}.part")
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            self._run(self._fetch(name, part, step))
            durable.rename({part: to})
        finally:
            part.unlink(missing_ok=True)

    async def _fetch(self, name: str, part: Path, step: Callable[[], None]) -> None:
        assert self._client
        async with self._client.open(posixpath.join(self._remote.path, name), "rb") as source:
            out = durable.new(part)
            try:
                while piece := await asyncio.wait_for(source.read(1 << 20), QUIET_SECONDS):
                    out.write(piece if isinstance(piece, bytes) else piece.encode())
                    step()
                durable.close(out)
            finally:
                out.close()

    def put_away(self, name: str, to: str) -> None:
        """Move a file into a folder beside, or remove it where that is "". One that is not there any more is passed
        over."""
        self._run(self._put_away(name, to))

    async def _put_away(self, name: str, to: str) -> None:
        assert self._client
        path = posixpath.join(self._remote.path, name)
        if not await self._client.exists(path):
            return
        if not to:
            await self._client.remove(path)
            return
        goal, number = posixpath.join(self._remote.path, to, name), 1
        await self._client.makedirs(posixpath.dirname(goal), exist_ok=True)
        while await self._client.exists(goal if number == 1 else f"{goal}.{number}"):
            number += 1
        await self._client.rename(path, goal if number == 1 else f"{goal}.{number}")
        if posixpath.dirname(name):
            with suppress(asyncssh.Error):  # others lie there still
                await self._client.rmdir(posixpath.dirname(path))

    def close(self) -> None:
        with suppress(Exception):
            self._runner.run(self._close())

    async def _close(self) -> None:
        if self._client:
            self._client.exit()
        if self._connection:
            self._connection.close()
            await asyncio.wait_for(self._connection.wait_closed(), 5)


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

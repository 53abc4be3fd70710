"""Brings what lies on an SFTP server into a folder here, once each, and moves it there when it is loaded.

A file is fetched when it stands still: nothing is known of a server's clock, so only looking tells. What is of one
folder is fetched when all of it stands still.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway import log
from gateway.intake.watch import landing
from gateway.intake.watch.landing import Lying
from gateway.intake.watch.sftp import Server, connected
from gateway.intake.watch.watches import FAILED, Watch
from gateway.store.watched import Standing

FETCHED = "fetched"


def fetch(watch: Watch, standing: Standing, now: int, save: Callable[[], None], step: Callable[..., None]) -> None:
    """Fetch what is new on the server of a watch, and put away what was loaded. Raises ``Unavailable``; what was
    fetched until then stays."""
    assert watch.remote
    watch.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with connected(watch.remote) as server:
        if watch.settings.after != "leave" and server.make_way():
            log.event("watch.renamed", source=standing.source)
        files = server.files()
        _put_away(server, watch, standing, files, save)
        still, standing.still = landing.standing_still(files, standing.still, (), now, watch.settings.still_seconds)
        tokens = {name: landing.token(name, file) for name, file in files.items()}
        present = set(tokens.values())
        standing.known = {token: what for token, what in standing.known.items() if token in present}
        moving = {name.partition("/")[0] for name in files.keys() - still}
        for name, file in files.items():
            if name.partition("/")[0] in moving or tokens[name] in standing.known:
                continue
            if server.fetch(name, watch.folder / name, file, step):
                standing.known[tokens[name]] = FETCHED
                save()


def _put_away(
    server: Server, watch: Watch, standing: Standing, files: dict[str, Lying], save: Callable[[], None]
) -> None:
    """Do on the server what was done here, and take out of ``files`` what was moved. What is left there is known by its
    size and time; what was never fetched with those it has is left too."""
    after = watch.settings.after
    for name, to in list(standing.sent_away.items()):
        file = files.get(name)
        is_moved = after == "move" or (after == "delete" and to == FAILED)
        if file and after != "leave" and landing.token(name, file) in standing.known:
            server.put_away(name, to if is_moved else "", file)
            del files[name]
        del standing.sent_away[name]
        save()

"""Brings what lies on an SFTP server into a folder here, once each, and moves it there when it is loaded.

A file is fetched when it stands still: nothing is known of a server's clock, so only looking tells. What is of one
folder is fetched when all of it stands still.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.intake.watch import landing
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
        _put_away(server, watch, standing, save)
        files = server.files()
        still, standing.still = landing.standing_still(files, standing.still, (), now, watch.settings.still_seconds)
        tokens = {name: landing.token(name, file) for name, file in files.items()}
        present = set(tokens.values())
        standing.known = {token: what for token, what in standing.known.items() if token in present}
        moving = {name.partition("/")[0] for name in files.keys() - still}
        for name in files:
            if name.partition("/")[0] not in moving and tokens[name] not in standing.known:
                server.fetch(name, watch.folder / name, step)
                standing.known[tokens[name]] = FETCHED
                save()


def _put_away(server: Server, watch: Watch, standing: Standing, save: Callable[[], None]) -> None:
    """Do on the server what was done here. What is left there is known by its size and time."""
    after = watch.settings.after
    for name, to in list(standing.sent_away.items()):
        if after == "move" or (after == "delete" and to == FAILED):
            server.put_away(name, to)
        elif after == "delete":
            server.put_away(name, "")
        del standing.sent_away[name]
        save()

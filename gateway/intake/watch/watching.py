"""Watches every feed that says so, one look after the other, until it is told to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.intake import staging, take
from gateway.intake.watch import fetching
from gateway.intake.watch.looking import Became, Desk, Looker, Outcome, Stopped
from gateway.intake.watch.watches import Watch
from gateway.nhs.codesets import CodeSets
from gateway.store import watched
from gateway.store.database import Store
from gateway.store.watched import Standing

PAUSE = 0.2
"""Seconds between two looks at which feeds are due."""


class Watcher:
    """All watches of a data folder. Only one may run: ``watched.alone``."""

    def __init__(
        self, store: Store, sets: CodeSets, watches: Sequence[Watch], spool: Path, file: Path, became: Became,
        workers: int | None = None,
    ):  # fmt: skip
        self.stop = threading.Event()
        self._file = file
        self._standings = watched.standings(file)
        desk = Desk(store, sets, spool, self._save, became, self.stop.is_set, workers)
        self._lookers = [
            _Fetching(desk, watch, self._standing(watch))
            if watch.remote
            else Looker(desk, watch, self._standing(watch))
            for watch in watches
        ]
        for watch in watches:
            take.require_read(store, watch.source, watch.feed)
        staging.clear(spool)

    def _standing(self, watch: Watch) -> Standing:
        return self._standings.setdefault(watch.feed.name, Standing())

    def _save(self) -> None:
        watched.save(self._file, self._standings)

    def once(self) -> bool:
        """Load what is there and whole. Return whether all of it was loaded, without a reject."""
        is_clean = True
        for looker in self._lookers:
            before = dict(looker.standing.counts)
            looker.standing.retry = 0  # whoever runs it now wants it tried now
            outcome = self._until_nothing(looker)
            counts = looker.standing.counts
            is_clean &= outcome is Outcome.NOTHING and not looker.standing.gaps and not looker.standing.refused
            is_clean &= counts.get("with rejects", 0) == before.get("with rejects", 0)
        return is_clean

    def _until_nothing(self, looker: Looker) -> Outcome:
        outcome = Outcome.LOADED
        while outcome in (Outcome.LOADED, Outcome.REFUSED) and not self.stop.is_set():
            try:
                outcome = looker.look()
            except Stopped:
                return Outcome.HELD
        return outcome

    def run(self) -> None:
        """Look again and again until ``stop`` is set. One delivery of a feed is loaded, then the others have their
        turn."""
        due = dict.fromkeys(range(len(self._lookers)), 0.0)
        while not self.stop.is_set():
            for number, looker in enumerate(self._lookers):
                if self.stop.is_set() or due[number] > time.monotonic():
                    continue
                try:
                    outcome = looker.look()
                except Stopped:
                    break
                has_more = outcome in (Outcome.LOADED, Outcome.REFUSED)
                due[number] = time.monotonic() + (0 if has_more else looker.watch.settings.look_seconds)
            self.stop.wait(PAUSE)


class _Fetching(Looker):
    """The look at a server: what is there is fetched, and then looked at as a folder here."""

    def _look(self) -> Outcome:
        fetching.fetch(self.watch, self.standing, self._now, self.desk.save, self.desk.step)
        return super()._look()

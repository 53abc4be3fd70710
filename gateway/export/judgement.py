"""Remembers for which opt-out list a release was looked through, so that each download asks about its own file only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import records
from gateway.errors import Conflict, Refused, Unavailable
from gateway.export.standing import MEMBERS_CHANGED
from gateway.store import optouts
from gateway.store.database import Store
from gateway.store.jobs import Job

MOST = 10_000
"""Releases remembered, each for one list."""
PATIENCE = 0.1
"""Seconds that a download waits while its release is looked through: it holds one of the server's threads."""
CODE = "optout-check"
CHECKING = "the release is being compared with a new opt-out list: ask again"


class Judgements:
    """Of which releases it is known that somebody, or nobody, in them is on the opt-out list in force. They are one
    process's.

    A newer list is looked for again. Who comes to be on the same list later, by a number that a record gains, is met by
    the question about each file, as for the list of the gathering.
    """

    def __init__(self) -> None:
        self._refused: OrderedDict[str, tuple[int, bool]] = OrderedDict()
        self._looking: set[str] = set()
        self._ended = threading.Condition()
        """Told when a search ended; also the lock of what is remembered."""

    def require_clear(self, store: Store, job: Job, list_: int) -> None:
        """Raise ``Conflict`` when somebody in a release is on the list in force, which was ``list_`` or is newer;
        ``Unavailable`` while another download looks through this release for longer than this one may wait."""
        if list_ == job.pins["optout"]:
            return
        is_refused = self._known(job, list_)
        if is_refused is None:
            with self._turn(job.id):
                is_refused = self._known(job, list_)
                if is_refused is None:
                    is_refused = self._look(store, job)
        if is_refused:
            raise Conflict(MEMBERS_CHANGED)

    @contextmanager
    def _turn(self, job: str) -> Iterator[None]:
        """Have a release looked through by one download at a time; each search holds a thread and a connection."""
        with self._ended:
            if not self._ended.wait_for(lambda: job not in self._looking, PATIENCE):
                raise Unavailable(CHECKING, CODE)
            self._looking.add(job)
        try:
            yield
        finally:
            with self._ended:
                self._looking.remove(job)
                self._ended.notify_all()

    def _known(self, job: Job, list_: int) -> bool | None:
        with self._ended:
            known, is_refused = self._refused.get(job.id, (0, False))
            return is_refused if known >= list_ else None

    def _look(self, store: Store, job: Job) -> bool:
        with store.read() as session:
            in_force = optouts.in_force(session)  # an older one may have no members any more
            if in_force is None:
                raise Refused("no opt-out list is loaded: nobody is released")
            is_refused = records.opted_out_since(session, job.id, in_force.key)
        with self._ended:
            self._refused[job.id] = in_force.key, is_refused
            self._refused.move_to_end(job.id)
            while len(self._refused) > MOST:
                self._refused.popitem(last=False)
        return is_refused

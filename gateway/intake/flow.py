"""A delivery that stays open: rows that come little by little are kept and mapped as they come, under one report.

It is a delivery as any other, but for its end: it is closed each hour, or when its feed stops. Between two batches
others may load the same source; the first of them takes the open delivery over, and the next batch begins another.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gateway.intake import take
from gateway.intake.engine import Engine, Team, Worker, team
from gateway.intake.producers import Rows
from gateway.intake.report import Report
from gateway.nhs.codesets import CodeSets
from gateway.store import deliveries
from gateway.store.database import Store
from mappings import Feed, Source

OPEN_SECONDS = 3600.0
TEAM_FROM = 500
"""Rows of a batch from which worker processes gain more than they cost. They stay until the delivery is closed."""
MOST_WORKERS = 4


class Flow:
    """The open delivery of one feed. Used by one thread."""

    def __init__(self, store: Store, source: Source, feed: Feed, sets: CodeSets, act: str):
        self.store, self.source, self.sets, self._act = store, source, sets, act
        self.feed = feed.within(store.namespace.bytes)
        self._report: Report | None = None
        self._begun = 0.0
        self._workers = ExitStack()
        self._team: Team | None = None

    def take(self, rows: Rows, count: int = 0) -> Counter[str]:
        """Keep and map rows; return how many rejects among them are ``kept``, and ``not kept`` for want of room. When
        this returns, the store has all of it. It may be called again with the same rows, which changes nothing.
        ``count`` is about how many there are."""
        rows = rows.checked(self.source, take.known(self.store, self.source))
        with self._dismissed_on_failure(), take.alone(self.store, self.source):
            report = self._continued()
            before = Counter(report.kept)
            self._report = None  # one that fails half-way was cut off: the next delivery maps what it kept
            worker = Worker(self.store, self.source, self.feed, self.sets)
            take.keep(self.store, self.source, rows, self.feed, report, worker, take.quiet)
            take.map_touched(self.store, self.source, self.sets, report, self._engine(worker, count))
            self._report = report
        if time.monotonic() - self._begun > OPEN_SECONDS:
            self.close()
        return report.kept - before

    def _engine(self, worker: Worker, count: int) -> Engine:
        """What maps a batch: this thread, or processes beside it once batches are large."""
        if count < TEAM_FROM and self._team is None:
            return worker
        if self._team is None:
            number = min(max((os.cpu_count() or 1) - 1, 1), MOST_WORKERS)
            self._team = self._workers.enter_context(team(self.store, self.source, self.feed, self.sets, number))
        self._team.renew()
        return self._team

    def _continued(self) -> Report:
        """The report of the open delivery; another one is begun where there is none, or others took it over."""
        if self._report is not None:
            with self.store.write() as session:
                if deliveries.reopen(session, self._report.delivery):
                    return self._report
            self.close()
        take.require_read(self.store, self.source, self.feed)
        self._begun = time.monotonic()
        self._report = Report(self.source.name, self._act)
        take.begin(self.store, self.source, self.sets, self._report, self.feed.name)
        return self._report

    def close(self) -> None:
        """End the delivery, with its report and its audit, and the worker processes."""
        self._dismiss()
        report, self._report = self._report, None
        if report is not None:
            take.end(self.store, report, self._begun, with_census=False)

    @contextmanager
    def _dismissed_on_failure(self) -> Iterator[None]:
        """Let the workers go where a batch fails: one of them may be what failed."""
        try:
            yield
        except BaseException:
            self._dismiss()
            raise

    def _dismiss(self) -> None:
        self._team = None
        self._workers.close()

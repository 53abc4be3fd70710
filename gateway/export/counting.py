"""Runs the first pass of an export over its parts, and says which of them the decision has cut.

A worker of a pool imports ``crowding`` alone: this module knows the job and its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from gateway import log
from gateway.export import crowding, engines, gather
from gateway.export.crowding import Decision
from gateway.export.cut import Part
from gateway.nhs.pseudonym import crowds
from gateway.nhs.pseudonym.crowds import Facts
from gateway.store import jobs
from gateway.store.database import Store


class Counting:
    """The count of one run. It is made once: who leaves or comes while parts are cut is treated as when a released part
    is cut again, or a release of many people would be counted without an end."""

    def __init__(self, part: Part, workers: int | None):
        """``part`` is any part of the job: the others differ by number."""
        self._part, self._workers = part, workers
        self._decision = Decision()

    def decide(self, store: Store, job: jobs.Job, todo: list[int]) -> tuple[Decision, list[int]]:
        """The decision, and the parts to cut: ``todo``, and those that were cut under another decision.

        Raises ``Refused`` where fewer people leave than k, and where a project that is to be refused rather than made
        coarser would have to be."""
        k = job.pins["approved"].get("k", crowds.DEFAULT_K)
        if k == 1:
            return self._decision, todo
        with store.read() as session:
            parts = {number: outcome or {} for number, _, outcome in jobs.parts(session, job.id)}
        if not self._decision.hash:
            self._count(store, job, parts, k)
        cut_otherwise = {number for number, outcome in parts.items() if outcome.get("decision") != self._decision.hash}
        return self._decision, sorted(cut_otherwise.union(todo))

    def _count(self, store: Store, job: jobs.Job, parts: Iterable[int], k: int) -> None:
        people, codes = Counter[Facts](), Counter[str]()
        every = [replace(self._part, number=number) for number in parts]
        with closing(engines.map_parts(crowding.count, every, workers=self._workers)) as results:
            for _, counts in results:
                people.update(counts.people)
                codes.update(counts.codes)
                with store.write() as session:
                    gather.hold(session, job)
        self._decision = crowding.decide(people, codes, k, job.pins["approved"])
        with store.write() as session:  # who has lost the job touches no file that has a name
            gather.hold(session, job)
            crowding.write(self._part, self._decision)
        log.event("export.counted", job=job.id, count=len(every))

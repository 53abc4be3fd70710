"""Runs the first pass of an export over its parts, and says which of them the decision has cut.

A worker of a pool imports ``crowding`` alone: this module knows the job and its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from gateway import log
from gateway.export import crowding, engines, gather
from gateway.export.crowding import Decision
from gateway.export.cut import Part
from gateway.nhs.pseudonym import crowds
from gateway.nhs.pseudonym.crowds import Facts
from gateway.store import jobs
from gateway.store.database import Store


class Counting:
    """The counts of one run, kept while it repeats: they are made again when what may leave of a part's people
    changes."""

    def __init__(self, part: Part, workers: int | None):
        """``part`` is any part of the job: the others differ by number."""
        self._part, self._workers = part, workers
        self._counted: dict[int, str] = {}
        self._decision = Decision()

    def decide(self, store: Store, job: jobs.Job, todo: list[int]) -> tuple[Decision, list[int]]:
        """The decision as of now, and the parts to cut: ``todo``, and those that were cut under another decision.

        Raises ``Refused`` where fewer people leave than k, and where a project that is to be refused rather than made
        coarser would have to be."""
        k = job.pins["approved"].get("k", crowds.DEFAULT_K)
        if k == 1:
            return self._decision, todo
        with store.read() as session:
            parts = {number: outcome or {} for number, _, outcome in jobs.parts(session, job.id)}
        if not self._is_counted(parts, todo):
            self._count(store, job, parts, k)
        cut_otherwise = {number for number, outcome in parts.items() if outcome.get("decision") != self._decision.hash}
        return self._decision, sorted(cut_otherwise.union(todo))

    def _is_counted(self, parts: Mapping[int, Mapping[str, Any]], todo: list[int]) -> bool:
        """Whether every part was counted in the state that it was cut in, and none is to be cut."""
        return not todo and all(self._counted.get(number) == outcome.get("state") for number, outcome in parts.items())

    def _count(self, store: Store, job: jobs.Job, parts: Iterable[int], k: int) -> None:
        people, codes = Counter[Facts](), Counter[str]()
        every = [replace(self._part, number=number) for number in parts]
        with closing(engines.map_parts(crowding.count, every, workers=self._workers)) as results:
            for number, counts in results:
                people.update(counts.people)
                codes.update(counts.codes)
                self._counted[number] = counts.state
                with store.write() as session:
                    gather.hold(session, job)
        self._decision = crowding.decide(people, codes, k, job.pins["approved"])
        crowding.write(self._part, self._decision)
        log.event("export.counted", job=job.id, count=len(every))

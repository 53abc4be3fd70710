"""Validation on one core: what our mappings make of their samples, checked from bytes and with the dict at hand,
beside fhir.resources."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from gateway.fhir import compiled, model
from gateway.fhir.build import encode
from tests.bench.room import Room
from tests.bench.table import Line
from tests.fhir.mutate import mutants
from tests.fhir.resources import samples

RESOURCES, THEIRS = 100_000, 2_000
LIMIT = 50_000
"""Resources a second on one core (performance.md, P8)."""


def rate(work: Callable[[object], object], given: Sequence[object], least: int) -> float:
    """How many of them a second of processor time, the best of three runs over at least so many."""
    best = 0.0
    rounds = -(-least // 3 // len(given))
    for _ in range(3):
        begun = time.process_time()
        for _ in range(rounds):
            for each in given:
                work(each)
        best = max(best, rounds * len(given) / (time.process_time() - begun))
    return best


def measure(room: Room) -> Iterator[Line]:
    resources = [resource for _, resource in samples()]
    bodies = [encode(resource) for resource in resources]
    assert not any(model.check(body) for body in bodies)
    theirs = rate(_fhir_resources, bodies, room.rows(THEIRS))
    size = f"{sum(map(len, bodies)) / len(bodies):,.0f} bytes on average"
    beside = f"fhir.resources {theirs:,.0f}/s; {size}"
    yield Line(
        "our samples, checked from bytes", rate(model.check, bodies, room.rows(RESOURCES)), "resources/s", beside, LIMIT
    )
    at_hand = list(zip(resources, bodies))
    known = rate(lambda each: model.check_resource(*each), at_hand, room.rows(RESOURCES))
    yield Line("our samples, checked as a load does", known, "resources/s", "the dict is at hand", LIMIT)
    typed = rate(compiled.loose().decode, bodies, room.rows(RESOURCES))
    plain = rate(msgspec.json.Decoder().decode, bodies, room.rows(RESOURCES))
    yield Line("our samples, decoded into types", typed, "resources/s", f"{plain:,.0f}/s into plain dicts, unchecked")
    broken = [
        encode(mutant) for number, resource in enumerate(resources[::10]) for _, _, mutant in mutants(resource, number)
    ]
    yield Line(
        "single faults in them, all listed",
        rate(model.check, broken, room.rows(RESOURCES) // 4),
        "resources/s",
        f"{len(broken):,} of them",
    )


def _fhir_resources(body: bytes) -> None:
    """As fhir.resources would check it. What it refuses of ours it has also looked at."""
    name = msgspec.json.decode(body, type=_Typed).resourceType
    kind = getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    try:
        kind.model_validate_json(body)
    except ValueError:
        return


class _Typed(msgspec.Struct):
    resourceType: str

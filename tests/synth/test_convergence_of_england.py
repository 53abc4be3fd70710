"""Synthetic England converges: in any order, sent twice, and killed while it loads, the same store, equal to the truth.

``POPULATION`` people of the England mix, all sources of this repository that have a writer, first and second
deliveries.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from gateway.intake import load
from gateway.store.database import Store, open_store
from gateway.store.numbers import TYPE_NUMBER
from gateway.synth import places, world
from gateway.terminology import sets
from mappings import Feed, sources
from tests.intake.conftest import state

TODAY = date(2026, 3, 1)
POPULATION = int(os.environ.get("GATEWAY_TEST_POPULATION", "200"))
NAMESPACE = uuid.UUID("5b0e8a52-0000-4000-8000-000000000002")
DELIVERIES = ("emis", "emis delta", "tpp", "tpp delta", "hl7v2", "cld")
NAMES = {number: name for name, number in TYPE_NUMBER.items()}

LOAD = """
import sys, uuid
from pathlib import Path
from tests.synth import test_convergence_of_england as test
if __name__ == "__main__":
    store = test.opened(Path(sys.argv[1]))
    print("loading", flush=True)
    test.take(store, sys.argv[2], Path(sys.argv[3]))
    store.close()
"""
"""What a process that is killed runs: one delivery into a store."""


def opened(path: Path) -> Store:
    return open_store(
        f"sqlite:///{path}", create=None if path.exists() else "sandbox", namespace=None if path.exists() else NAMESPACE
    )


def take(store: Store, name: str, path: Path) -> None:
    load.load(store, sources()[name.partition(" ")[0]], path, Feed(), sets.load(sandbox=True), workers=0)


def counted(store: Store) -> dict[str, dict[str, int]]:
    """How many resources of a type the store has of each source."""
    counts: dict[str, dict[str, int]] = {}
    with store.read() as session:
        for source, type_, count in session.rows(
            "SELECT p.source, h.type, count(*) FROM head h JOIN publisher p ON p.key = h.publisher "
            "WHERE h.deleted = 0 GROUP BY 1, 2"
        ):
            counts.setdefault(source, {})[NAMES[type_]] = count
    return counts


def assert_is_the_truth(store: Store, folder: Path) -> None:
    expected = json.loads((folder / "truth" / "expected.json").read_text(encoding="utf-8"))
    counts = counted(store)
    assert {
        source: {name: counts[source].get(name, 0) for name in types} for source, types in expected.items()
    } == expected


def england(folder: Path, count: int) -> world.Manifest:
    practices = places.practices(3, tpp=1)
    return world.write(folder, count, 1, TODAY, practices=practices, mix="england", formats=world.ALL_FORMATS)


def filled(folder: Path, name: str, written: world.Manifest, order: Iterable[str]) -> Store:
    store = opened(folder / f"{name}.db")
    for delivery in order:
        take(store, delivery, written.path(delivery))
    return store


def orders() -> list[tuple[str, ...]]:
    """Deliveries in other orders, the second ones before the first too, and each twice."""
    shuffled = list(DELIVERIES * 2)
    random.Random(7).shuffle(shuffled)
    return [tuple(reversed(DELIVERIES)), tuple(shuffled)]


def converge(folder: Path, count: int, others: Iterable[Iterable[str]]) -> tuple[world.Manifest, dict[str, list]]:
    """Load one world in order and in other orders; return it, and the state that every store ended in."""
    written = england(folder / "world", count)
    store = filled(folder, "in-order", written, DELIVERIES)
    assert_is_the_truth(store, written.folder)
    ended = state(store)
    store.close()
    for number, order in enumerate(others):
        other = filled(folder, f"order{number}", written, order)
        assert_is_the_truth(other, written.folder)
        for what, rows in state(other).items():
            assert rows == ended[what], (order, what)
        other.close()
    return written, ended


def killed(folder: Path, written: world.Manifest, seed: int) -> tuple[Store, int]:
    """Load each delivery in processes that are killed (kill -9) at moments drawn from ``seed``, until one comes to its
    end; return the store and how many were killed."""
    draw, kills, path = random.Random(seed), 0, folder / f"killed{seed}.db"
    opened(path).close()
    for delivery in DELIVERIES:
        patience = 0.2
        while True:
            words = [sys.executable, "-c", LOAD, str(path), delivery, str(written.path(delivery))]
            with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
                assert process.stdout is not None and process.stdout.readline() == b"loading\n"
                try:
                    assert process.wait(draw.uniform(0, patience)) == 0
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            patience *= 1.7
    return opened(path), kills


@pytest.mark.hazard("HZ-SYNTH-02")
def test_a_few_people_of_england_converge(tmp_path):
    converge(tmp_path, 20, orders()[1:])


@pytest.mark.slow
def test_england_converges(tmp_path):
    written, ended = converge(tmp_path, POPULATION, orders())
    started = time.monotonic()
    store, kills = killed(tmp_path, written, 3)
    assert kills >= 3, f"nothing was killed in {time.monotonic() - started:.0f} s"
    assert_is_the_truth(store, written.folder)
    for what, rows in state(store).items():
        assert rows == ended[what], what
    store.close()

"""Loads a scenario pack into a sandbox: its people as their practices, hospital and council would send them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import records
from gateway.errors import Invalid, NotFound
from gateway.fhir.dates import moment
from gateway.intake import load
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller
from gateway.records import Door, who
from gateway.store.changes import record_write
from gateway.store.database import Store
from gateway.synth import places, world
from gateway.synth.packs import PACKS
from mappings import Feed, sources

SOURCES = ("emis", "tpp", "hl7v2", "cld")
"""What tells of the people of a pack. No source sends the list of opt-outs: an operator loads it."""
SEED = 1
WRITE = Act("create", "Patient")
"""What is asked of policy. There is no act of its own for the people of other publishers: they are invented, and there
are none outside of a sandbox, where whoever may write fills a store that all testers share."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many people were written for their sources, and how many rows or groups of theirs could not be taken."""

    people: int
    rejects: int


def load_pack(door: Door, caller: Caller, name: str, request_id: str) -> Loaded:
    """Load the people of a pack for somebody who may write. Loaded again on the same day, it changes nothing. The audit
    has an event before the first of them is there, and one after the last.

    Raises ``NotFound`` outside of a sandbox, ``Forbidden`` as a write does, ``Invalid`` naming the packs for an unknown
    one, ``Unavailable`` while another is loaded, or an operator loads one of its sources: then loading it again adds
    what is missing.
    """
    store = door.store
    if not store.is_sandbox:
        raise NotFound("operation")
    records.refuse_early(door, caller, WRITE, request_id)
    if name not in PACKS:
        raise Invalid(f"pack: one of {', '.join(PACKS)}")
    about = {"act": "pack", **who(caller), "request": request_id}
    with store.alone("scenario pack", store.patience), tempfile.TemporaryDirectory() as folder:
        _record(store, {**about, "outcome": "begun"})
        loaded = _load(door, name, Path(folder) / "pack")
        _record(store, {**about, "outcome": "done", "count": loaded.people, "rejects": loaded.rejects})
    return loaded


def _load(door: Door, name: str, folder: Path) -> Loaded:
    store = door.store
    written = world.write(
        folder, 0, SEED, moment(store.clock()).date(), practices=places.practices(3, tpp=1), mix="england",
        formats=(*SOURCES, "truth"), numbers=tuple(PACKS[name]),
    )  # fmt: skip
    reports = [
        load.load(store, sources()[source], written.path(source), Feed(), door.sets, workers=0, patience=store.patience)
        for source in SOURCES
    ]
    return Loaded(written.count, sum(report.rejects.total() for report in reports))


def _record(store: Store, event: dict[str, Any]) -> None:
    with store.write(is_aside=True) as session:
        record_write(session, event)

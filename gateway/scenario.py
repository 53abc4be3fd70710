"""Loads a scenario pack into a sandbox: its people as their practices, hospital and council would send them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gateway import records
from gateway.errors import Invalid, NotFound
from gateway.fhir.dates import moment
from gateway.intake import load
from gateway.nhs.access import Act
from gateway.nhs.roles import Caller
from gateway.records import Door, who
from gateway.store.changes import record_write
from gateway.synth import places, world
from gateway.synth.packs import PACKS
from mappings import Feed, sources

SOURCES = ("emis", "tpp", "hl7v2", "cld")
"""What tells of the people of a pack. No source sends the list of opt-outs: an operator loads it."""
SEED = 1
WRITE = Act("create", "Patient")
"""What is asked of policy: who writes for a sandbox's tester."""


def load_pack(door: Door, caller: Caller, name: str, request_id: str) -> int:
    """Load the people of a pack for somebody who may write, and return how many they are. Loaded again on the same day,
    it changes nothing.

    Raises ``NotFound`` outside of a sandbox, ``Forbidden`` as a write does, ``Invalid`` naming the packs for an unknown
    one, ``Unavailable`` while another is loaded.
    """
    store = door.store
    if not store.is_sandbox:
        raise NotFound("operation")
    records.refuse_early(door, caller, WRITE, request_id)
    if name not in PACKS:
        raise Invalid(f"pack: one of {', '.join(PACKS)}")
    with store.alone("scenario pack", store.patience), tempfile.TemporaryDirectory() as folder:
        practices = places.practices(3, tpp=1)
        today = moment(store.clock()).date()
        written = world.write(
            Path(folder) / "pack", 0, SEED, today, practices=practices, mix="england", formats=(*SOURCES, "truth"), numbers=tuple(PACKS[name]),
        )  # fmt: skip
        for source in SOURCES:
            load.load(store, sources()[source], written.path(source), Feed(), door.sets, workers=0)
    with store.write(is_aside=True) as session:
        record_write(session, {"act": "pack", **who(caller), "count": written.count, "request": request_id})
    return written.count

"""``gateway synth``: synthetic people, as their GP, hospital, community trust and council would send them."""

from __future__ import annotations

import datetime
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import start
from gateway.errors import Invalid, Refused


class Mixture(StrEnum):
    """How often what happens to people: as in England, or as in the demo."""

    ENGLAND = "england"
    DEMO = "demo"


def synth(
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    people: Annotated[int, typer.Option(min=10, help="How many people; the first ten are in every world.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    today: Annotated[
        str, typer.Option(help="The day (YYYY-MM-DD) before which everything happened; by default today.")
    ] = "",
    mix: Annotated[
        Mixture, typer.Option(help="Ages and illnesses near England's, or the demo's: fewer, older and sicker.")
    ] = Mixture.ENGLAND,
    pack: Annotated[
        str, typer.Option(help="Write the fixed people of a pack instead: demo, identity, privacy or journeys.")
    ] = "",
    workers: Annotated[int, typer.Option(min=0, help="Further processes; the bytes are the same.")] = 0,
    snoopers: Annotated[
        bool, typer.Option("--snoopers", help="Write four weeks of a hospital's views instead, with snoopers in them.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Write synthetic people: deliveries of each source, the list of opt-outs, PDS traces, and the answer key."""
    start()
    from gateway import console
    from gateway.synth import places, world
    from gateway.synth.packs import PACKS
    from gateway.synth.people import MOST

    if people > MOST:
        raise Refused(f"--people: at most {MOST}, for there are no more synthetic NHS numbers")
    if pack and pack not in PACKS:
        raise Refused(f"--pack: one of {', '.join(PACKS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused("--out: a new or an empty folder is needed")
    if snoopers:
        return _snoopers(out, seed, as_json)
    day, started = _date(today), time.monotonic()
    numbers = tuple(PACKS[pack]) if pack else ()
    with console.progress("synth", "people") as progress:
        manifest = world.write(
            out,
            people,
            seed,
            day,
            practices=places.practices(3, tpp=1),
            mix=mix.value,
            formats=world.ALL_FORMATS,
            numbers=numbers,
            workers=workers,
            done=lambda number: progress("people written", number, len(numbers) or people),
        )
    seconds = time.monotonic() - started
    if as_json:
        print(json.dumps({"people": manifest.count, "seed": seed, "today": str(day), "written": manifest.written}))
        return OK
    rate = manifest.count / max(seconds, 0.001)
    print(f"{manifest.count} people of {day}, seed {seed}, in {seconds:.1f} s ({rate:.0f} people/s)")
    for name, count in manifest.written.items():
        print(f"  {manifest.path(name).relative_to(out)}: {count}")
    print("  truth/: who is who, whose each record is, what is wrong in it; manifest.json: who is fixed")
    return OK


def _snoopers(out: Path, seed: int, as_json: bool) -> int:
    from gateway.synth import snoopers as drill

    written = drill.write(out, drill.planted(seed))
    print(json.dumps({"seed": seed, "written": written}) if as_json else f"{written['truth']} snoopers, seed {seed}")
    return OK


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text) if text else datetime.datetime.now(datetime.UTC).date()
    except ValueError:
        raise Invalid("--today") from None


VERB = synth

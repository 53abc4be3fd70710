"""``gateway synth``: synthetic people, as their GP, hospital and council would send them."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import AsJson
from gateway.commands._start import start
from gateway.errors import Invalid, Refused


def synth(
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    people: Annotated[int, typer.Option(min=10, help="How many people; the first ten are in every world.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    today: Annotated[
        str, typer.Option(help="The day (YYYY-MM-DD) before which everything happened; by default today.")
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Write synthetic people: deliveries of EMIS, HL7 v2 and a council, the list of opt-outs, and the answer key."""
    start()
    from gateway import console
    from gateway.nhs.identifiers import SYNTHETIC
    from gateway.synth import world

    if people > SYNTHETIC:
        raise Refused(f"--people: at most {SYNTHETIC}, one for each synthetic NHS number")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused("--out: a new or an empty folder is needed")
    day, started = _date(today), time.monotonic()
    with console.progress("synth", "people") as progress:
        manifest = world.write(out, people, seed, day, done=lambda number: progress("people written", number, people))
    seconds = time.monotonic() - started
    if as_json:
        print(json.dumps({"people": people, "seed": seed, "today": str(day), "written": manifest.written}))
        return OK
    print(f"{people} people of {day}, seed {seed}, in {seconds:.1f} s ({people / max(seconds, 0.001):.0f} people/s)")
    for name in ("emis", "hl7v2", "cld", "optout"):
        print(f"  {manifest.path(name).relative_to(out)}: {manifest.written[name]}")
    print("  truth/people.ndjson: who is who; manifest.json: the ten who are in every world")
    return OK


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text) if text else datetime.datetime.now(datetime.UTC).date()
    except ValueError:
        raise Invalid("--today") from None


VERB = synth

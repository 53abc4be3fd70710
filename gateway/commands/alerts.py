"""``gateway alerts``: the privacy alerts, and what became of each."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from gateway import steering
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting, opened

VERB = typer.Typer(help="Privacy alerts: list them, and note what became of each.")


class State(StrEnum):
    """The states that an alert passes through."""

    OPEN = "open"
    INVESTIGATED = "under-investigation"
    CLOSED = "closed"


@VERB.command("list")
def list_(
    organisation: Annotated[str, typer.Option(help="Only those of this organisation, by its ODS code.")] = "",
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the alerts, the oldest first, with their age and history. No line tells of a patient.

    Exit 1 where any that is listed is not closed.
    """
    with opened() as gateway:
        from gateway.oversight import triage

        listed = triage.every(gateway.store, organisation or None, state.value if state else "")
    for alert in listed:
        row = alert.row
        line = f"{row.key}  {row.state}  {alert.age} h  {row.ods}  {row.name} ({row.role}): {alert.why}"
        print(json.dumps(alert.as_dict()) if as_json else steering.line(line))
    return WITH_REJECTS if any(alert.row.state != State.CLOSED for alert in listed) else OK


@VERB.command()
def move(
    number: Annotated[int, typer.Argument(metavar="ALERT", help="The number that `list` prints.")],
    state: Annotated[State, typer.Argument(help="The state that it comes to.")],
    by: Actor,
    note: Annotated[str, typer.Option(help="What was found out, without naming a patient.")] = "",
    as_json: AsJson = False,
) -> int:
    """Note what became of an alert. To close it, and to look into a closed one again, a note is needed."""
    with acting() as gateway:
        from gateway.oversight import triage

        triage.move_by_hand(gateway.store, number, state.value, by, note)
    print(json.dumps({"alert": number, "state": state.value}) if as_json else f"{number}: {state.value}")
    return OK

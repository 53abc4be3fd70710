"""``gateway attack``: what a release tells of people, in numbers, before anybody gets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting

if TYPE_CHECKING:
    from gateway.attack.linkage import Truth
    from gateway.composition import Gateway


def attack(
    release: Annotated[Path, typer.Argument(help="The folder of the release.")],
    by: Actor,
    other: Annotated[
        Path | None,
        typer.Option(help="The folder of another release: an earlier one of the project, or one of another project."),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=NUMBER", help="The most that a figure may be; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same number draws the same people.")] = 1,
    as_json: AsJson = False,
) -> int:
    """Attack a release as its recipient could, and print how many people it gives away.

    How many are alone with what somebody knows of them, by facts, by two dated events, by a rare code; how well an
    attacker tells that a person is in it; with `--other`, how many are linked by order and by content, or named by the
    difference. Of a release without Patients the facts are not measured. Exit 1 where a figure is over its limit. The
    audit holds the figures.
    """
    with acting() as gateway:
        from gateway import console
        from gateway.attack import figures as attacks
        from gateway.attack import seen
        from gateway.export import same_people
        from gateway.store.changes import record_write

        with gateway.store.read() as session:
            entry = same_people.release_of(session, release)
        truth = None if other is None else _truth(gateway, entry, other)
        looked_at = seen.read(release)
        compared = None if other is None else seen.read(other)
        figures = attacks.attack(looked_at, compared, truth, seed)
        not_measured = attacks.not_measured(looked_at, compared, truth)
        limits = attacks.limits(limit or (), figures)
        over = attacks.over(figures, limits)
        event = {
            "act": "export.attack", "by": by, "project": entry["project"]["name"], "job": entry["release"],
            "figures": figures, "over": over, "not_measured": not_measured,
        }  # fmt: skip
        with gateway.store.write() as session:
            record_write(session, event)
    if as_json:
        facts = {"release": entry["release"], "whole": looked_at.is_whole, "figures": figures, "limits": limits}
        facts["notMeasured"] = not_measured
        print(json.dumps({**facts, "over": over}))
    else:
        console.attack_report(figures, limits, over, is_whole=looked_at.is_whole, not_measured=not_measured)
    return WITH_REJECTS if over else OK


def _truth(gateway: Gateway, entry: dict[str, Any], other: Path) -> Truth | None:
    """Who of the release of this entry is who of the other; None where both have the same pseudonyms."""
    from gateway.export import same_people

    with gateway.store.read() as session:
        entries = entry, same_people.release_of(session, other)
        return None if same_people.is_one_key(*entries) else same_people.pairs(session, gateway.export_root(), *entries)


VERB = attack

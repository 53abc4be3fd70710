"""``gateway identity``: who a record is of, where rules alone do not tell."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway import steering
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting, opened
from gateway.errors import Refused

VERB = typer.Typer(help="Who a record is of: what needs a person's decision, traces at PDS, proposals.")
ItemName = Annotated[str, typer.Argument(metavar="ITEM", help="The item's name, as `review` prints it.")]
PatientId = Annotated[str, typer.Argument(metavar="PATIENT", help="The id of a record of the item.")]
Why = Annotated[str, typer.Option(help="Why, in words without a name or a number. It is kept and audited.")]
Ordinal = Annotated[int, typer.Option("--number", min=1, help="Which of the item's numbers, counted from 1.")]


@VERB.command()
def review(
    kind: Annotated[str | None, typer.Option(help="Only items of this kind.", show_default=False)] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Print what has to be compared, which names people. It is audited.")
    ] = False,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """List what needs a person's decision. Exit 1 if there is anything.

    Without `--values` no name, date or number is printed. A restricted or withheld record is never printed.
    """
    with acting() as gateway:
        from gateway.identity import review as reviews
        from gateway.store import changes

        if kind is not None and kind not in reviews.KINDS:
            raise Refused(f"--kind: one of {', '.join(reviews.KINDS)}")
        open_items = reviews.review(gateway.store)
        items = [item for item in open_items.items if kind is None or item.kind == kind]
        shown = [reviews.plain(item, open_items, values=values) for item in items]
        with gateway.store.write() as session:
            about = [record["patient"] for item in shown for record in item["records"]] if values else []
            event = {"act": "identity.review", "by": by, "count": len(shown), "values": values, "patients": about}
            changes.record_write(session, event)
    for item in shown:
        _print(item, as_json)
    return WITH_REJECTS if shown else OK


@VERB.command()
def confirm(item: ItemName, why: Why, by: Actor = "operator", as_json: AsJson = False) -> int:
    """Answer that all is as it should be. The question comes back when a record of it says something else."""
    with acting() as gateway:
        from gateway.identity import answering

        ruled = answering.confirm(gateway.store, item, by, why)
    return _ruled(ruled, as_json)


@VERB.command()
def separate(
    item: ItemName, patient: PatientId, why: Why, number: Ordinal = 1, by: Actor = "operator", as_json: AsJson = False
) -> int:
    """Hold a record apart from a number, or from the links of its source. It is in force at once."""
    with acting() as gateway:
        from gateway.identity import answering

        ruled = answering.separate(gateway.store, item, patient, by, why, number)
    return _ruled(ruled, as_json)


@VERB.command()
def join(
    item: ItemName,
    patient: PatientId,
    other: PatientId,
    why: Why,
    by: Actor,
    number: Ordinal = 1,
    as_json: AsJson = False,
) -> int:
    """Answer that two records are one person's. Two people must say so, and the number must be verified for both."""
    with acting() as gateway:
        from gateway.identity import answering

        ruled = answering.join(gateway.store, item, patient, other, by, why, number)
    return _ruled(ruled, as_json)


@VERB.command()
def undo(
    ruling: Annotated[
        int, typer.Argument(metavar="RULING", min=1, help="The ruling's number, as `history` prints it.")
    ],
    why: Why,
    by: Actor,
    as_json: AsJson = False,
) -> int:
    """Take a ruling back. That a record is held apart is taken back by two people, all else by one."""
    with acting() as gateway:
        from gateway.identity import answering

        ruled = answering.undo(gateway.store, ruling, by, why)
    return _ruled(ruled, as_json)


@VERB.command()
def history(as_json: AsJson = False) -> int:
    """List the rulings in the order made: what, by whom, why, and whether it stands."""
    with opened() as gateway:
        from gateway.identity import answering

        rulings = answering.history(gateway.store)
    for ruling in rulings:
        stands = "stands" if ruling["stands"] else "does not stand"
        words = f"{ruling['ruling']}  {ruling['act']} {ruling['item']} by {ruling['by']}: {ruling['why']} ({stands})"
        print(json.dumps(ruling) if as_json else steering.line(words))
    return OK


@VERB.command()
def trace(
    publisher: Annotated[str, typer.Option(help="Only records of the publisher with this code.")] = "",
    everyone: Annotated[
        bool, typer.Option("--all", help="Also records whose number their source verified, or registers.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many records.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count who would be traced, and ask nobody.")] = False,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Trace records at PDS whose number is only claimed, or missing. Exit 1 where PDS asked to wait.

    An exact match takes effect at once; a partial one becomes a proposal of the review.
    """
    with acting() as gateway:
        from gateway import console
        from gateway.identity import tracing

        records = tracing.due(gateway.store, publisher, everyone=everyone)[:limit]
        if dry_run:
            report = tracing.Report(due=len(records))
        else:
            with gateway.pds() as pds, console.progress("trace", "records") as step:
                report = tracing.run(gateway.store, pds, gateway.code_sets(), records, by, step)
    facts = report.plain()
    words = ", ".join(f"{name} {count}" for name, count in sorted(report.outcomes.items()))
    print(json.dumps(facts) if as_json else f"{report.due} due, {report.asked} traced{': ' if words else ''}{words}")
    if report.stopped:
        typer.echo(f"gateway identity trace: {report.stopped}", err=True)
    return WITH_REJECTS if report.stopped else OK


@VERB.command()
def propose(by: Actor = "operator", as_json: AsJson = False) -> int:
    """Propose records that may be one person's, with Splink. It gathers nobody: proposals are items of the review.

    Splink is an extra: `pip install 'nhs-record-gateway[linkage]'`.
    """
    with acting() as gateway:
        from gateway.identity import proposing

        count = proposing.propose(gateway.store, by)
    print(json.dumps({"proposals": count}) if as_json else f"{count:,} proposals")
    return OK


def _print(item: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(item))
        return
    print(steering.line(f"{item['item']}  {item['kind']}: {item['why']}"))
    if isinstance(item["numbers"], list):
        print(steering.line(f"    numbers: {', '.join(item['numbers']) or 'none'}"))
    for record in item["records"]:
        print(
            steering.line(
                f"    Patient/{record['patient']} of {record['source']} {record['publisher']}, {record['grade']}"
            )
        )
        if record.get("hidden"):
            print("        restricted or withheld: not shown")
        elif "names" in record:
            values = (
                *record["names"],
                record["birthDate"],
                record["gender"],
                *record["postcodes"],
                *record["nhsNumbers"],
            )
            print(steering.line("        " + " · ".join(map(str, filter(None, values)))))


def _ruled(ruled: dict[str, Any], as_json: bool) -> int:
    print(json.dumps(ruled) if as_json else f"ruling {ruled['ruling']}: {ruled['act']}, {ruled['state']}")
    return OK

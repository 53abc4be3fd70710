"""``gateway rejects``: what could not be read, kept as it was sent."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import steering
from gateway.commands import _deliveries
from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import Actor, AsJson, FeedName, SourceName
from gateway.commands._start import acting, opened

if TYPE_CHECKING:
    from gateway.store.rejected import Kept

VERB = typer.Typer(help="Rejects: what could not be read. List, show, replay after a fix, drop or purge them.")
Key = Annotated[int, typer.Argument(metavar="NUMBER", help="The number that `list` prints.")]
DAYS = 90


@VERB.command("list")
def list_(
    source: Annotated[str | None, typer.Argument(help="Only what this source sent.")] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Also the files' names, which may name people. It is audited.")
    ] = False,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """List what is kept, with its place and the reason; never what it holds. Exit 1 if there is anything."""
    with acting() if names else opened() as gateway:
        from gateway.store import changes, rejected

        with gateway.store.read() as session:
            waiting = rejected.waiting(session, source)
        if names:
            with gateway.store.write() as session:
                changes.record_write(session, {"act": "reject.list", "by": by, "count": len(waiting)})
    for kept in waiting:
        shown = _shown(kept, names)
        print(json.dumps(shown) if as_json else steering.line(_line(shown)))
    return WITH_REJECTS if waiting else OK


@VERB.command()
def show(
    number: Key,
    payload: Annotated[
        bool, typer.Option("--payload", help="Print what was sent, which names people. It is audited.")
    ] = False,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Show one reject: its place, reason and size, or with `--payload` its bytes alone.

    A terminal gets the bytes without the characters that would steer it.
    """
    with acting() as gateway:
        from gateway.store import changes, rejected

        if not payload:
            with gateway.store.read() as session:
                shown = _shown(rejected.one(session, number), False)
            print(json.dumps(shown) if as_json else steering.line(_line(shown)))
            return OK
        with gateway.store.write() as session:
            kept = rejected.one(session, number)
            changes.record_write(session, {"act": "reject.show", "by": by, "reject": number, "source": kept.source})
    if sys.stdout.isatty():
        print(steering.plain(kept.payload.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(kept.payload)
    sys.stdout.buffer.flush()
    return OK


@VERB.command()
def replay(source: SourceName, feed: FeedName = "default", as_json: AsJson = False) -> int:
    """Read again what a feed's rejects hold, after a fix or with other settings. Exit 1 if any is rejected again."""
    return _deliveries.replay(source, feed, as_json, rejects=True)


@VERB.command()
def drop(
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER…", help="The numbers that `list` prints.")],
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Remove rejects that hold nothing to be read, such as a note that lay in the folder. Exit 1 if one is missing."""
    with acting() as gateway:
        from gateway.store import changes, rejected

        with gateway.store.write() as session:
            count = rejected.drop(session, numbers)
            changes.record_write(session, {"act": "reject.drop", "by": by, "rejects": sorted(numbers)})
    _print_count(count, as_json)
    return OK if count == len(set(numbers)) else WITH_REJECTS


@VERB.command()
def purge(
    days: Annotated[
        int, typer.Option(min=0, help="Remove rejects that first came more than this many days ago.")
    ] = DAYS,
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Remove old rejects. The gateway never removes one by itself."""
    with acting() as gateway:
        from gateway.store import changes, rejected

        with gateway.store.write() as session:
            count = rejected.purge(session, days)
            changes.record_write(session, {"act": "reject.purge", "by": by, "days": days, "count": count})
    _print_count(count, as_json)
    return OK


def _shown(kept: Kept, names: bool) -> dict[str, Any]:
    shown = {
        "number": kept.key, "source": kept.source, "feed": kept.feed, "delivery": kept.delivery,
        "place": kept.place, "reason": kept.reason, "bytes": kept.size,
    }  # fmt: skip
    return {**shown, "file": kept.name} if names else shown


def _line(shown: dict[str, Any]) -> str:
    name = f"  {shown['file']}" if "file" in shown else ""
    return (
        f"{shown['number']}  {shown['place']}: {shown['reason']} ({shown['bytes']:,} bytes, feed {shown['feed']}){name}"
    )


def _print_count(count: int, as_json: bool) -> None:
    print(json.dumps({"removed": count}) if as_json else f"{count:,} removed")

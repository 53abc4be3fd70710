"""``gateway demo``: the main job, shown with synthetic people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._start import start


def demo(
    people: Annotated[int, typer.Option(help="How many people; at least ten.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="A new or empty folder; by default a fresh one.", show_default=False)
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when all is shown, instead of serving.")] = False,
) -> int:
    """Show the main job with synthetic people in a new sandbox store, then serve it."""
    start()
    from gateway import demo as main_job

    return main_job.run(people=people, seed=seed, out=out, serve=not no_serve)


VERB = demo

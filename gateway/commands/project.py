"""``gateway project``: approved uses of de-identified data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands._failures import OK
from gateway.commands._options import Actor, AsJson
from gateway.commands._start import acting, opened

VERB = typer.Typer(help="Projects: approved uses of de-identified data. Two people approve one.")
Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]


@VERB.command()
def add(
    file: Annotated[Path, typer.Argument(help="The project as TOML or JSON.")],
    by: Actor = "operator",
    as_json: AsJson = False,
) -> int:
    """Add a project as a draft. A changed project becomes a draft again."""
    with acting() as gateway:
        from gateway.export import approval

        name = approval.add(gateway.store, approval.read_file(file), by)
    return _print(name, "draft", as_json)


@VERB.command()
def approve(project: Name, by: Actor, as_json: AsJson = False) -> int:
    """Approve a project. It is in force when two people other than its requester have done so."""
    with acting() as gateway:
        from gateway.export import approval

        state = approval.approve(gateway.store, project, by)
    return _print(project, state, as_json)


@VERB.command()
def suspend(project: Name, by: Actor, as_json: AsJson = False) -> int:
    """Suspend a project: its exports do not run and their files cannot be downloaded."""
    return _change(project, "suspended", by, as_json)


@VERB.command()
def resume(project: Name, by: Actor, as_json: AsJson = False) -> int:
    """Put a suspended project in force again."""
    return _change(project, "active", by, as_json)


@VERB.command()
def expire(project: Name, by: Actor, as_json: AsJson = False) -> int:
    """End a project for good."""
    return _change(project, "expired", by, as_json)


@VERB.command("list")
def list_(as_json: AsJson = False) -> int:
    """List the projects with their version and state."""
    with opened() as gateway:
        from gateway.export import approval

        rows = approval.all_projects(gateway.store)
    for name, version, state in rows:
        line = json.dumps({"project": name, "version": version, "state": state})
        print(line if as_json else f"{name}\tversion {version}\t{state}")
    return OK


def _change(project: str, state: str, by: str, as_json: bool) -> int:
    with acting() as gateway:
        from gateway.export import approval

        approval.change(gateway.store, project, state, by)
    return _print(project, state, as_json)


def _print(project: str, state: str, as_json: bool) -> int:
    print(json.dumps({"project": project, "state": state}) if as_json else f"{project}: {state}")
    return OK

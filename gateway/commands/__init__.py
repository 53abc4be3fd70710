"""The operator's commands, one module each, found by looking. ``main`` runs one and returns its exit code.

A module here is a verb of its own name. Its ``VERB`` is the function that runs it, or a ``typer.Typer`` of acts
(``gateway project add``); either returns 0 clean, 1 finished with rejects, 2 could not run. A module whose name begins
with an underscore is no verb. The modules import what they need inside their functions, so that a command, its help and
its completion wait for nothing else.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from gateway.commands._failures import COULD_NOT, reported

NAME, COMPLETION = "gateway", "_GATEWAY_COMPLETE"
"""The program, and the variable by which a shell asks for completions."""
Verb = Callable[..., int] | typer.Typer


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Whatever stops it is one line on standard error, without a value."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = typer.main.get_command(application())
    if COMPLETION in os.environ:
        command.main(words, prog_name=NAME)
    with reported(NAME) as outcome, command.make_context(NAME, words) as context:
        outcome.context = context
        outcome.code = command.invoke(context)
    return outcome.code


def application() -> typer.Typer:
    """The application of every verb there is. Typer's own error pages stay off: they print the values of variables."""
    app = typer.Typer(
        name=NAME,
        help="NHS record gateway",
        epilog="Exit codes: 0 clean, 1 finished with rejects, 2 could not run.",
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_without_verb)
    for name, verb in verbs().items():
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name)
        else:
            app.command(name)(verb)
    return app


def verbs(path: Sequence[str] = __path__) -> dict[str, Verb]:
    """Every verb by its name, in the order of names. Raises ``TypeError`` naming a module without a usable ``VERB``, or
    a name that two folders of ``path`` have."""
    by_name: dict[str, Verb] = {}
    for folder in path:
        for module in pkgutil.iter_modules([folder]):
            if module.name.startswith("_"):
                continue
            verb = getattr(importlib.import_module(f"{__name__}.{module.name}"), "VERB", None)
            if not isinstance(verb, typer.Typer) and not (callable(verb) and verb.__doc__):
                raise TypeError(f"gateway/commands/{module.name}: VERB is a documented function or a typer.Typer")
            name = module.name.replace("_", "-")
            if name in by_name:
                raise TypeError(f"gateway/commands: two modules are {module.name}")
            by_name[name] = verb
    return dict(sorted(by_name.items()))


def _version(is_asked: bool) -> None:
    if is_asked:
        from gateway import __version__

        print(__version__)
        raise typer.Exit


def _without_verb(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(COULD_NOT)

"""How a command ends that fails: one line ``gateway VERB: …`` on standard error and an exit code, never a value.

A value may be a patient's, also the words that were typed: what is reported is the place.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import typer

from gateway import log, steering
from gateway.errors import GatewayError

OK, WITH_REJECTS, COULD_NOT = 0, 1, 2
PLAIN = {
    "No such command": "there is no such command: `--help` lists them",
    "No such option": "there is no such option: `--help` lists them",
    "Missing command": "a command is needed: `--help` lists them",
    "Got unexpected extra": "there are more arguments than it takes",
}
"""The errors of usage that hold no parameter, by their first words: Typer's own repeat what was typed."""


class Context(Protocol):
    """What is asked of Typer's context: which verb it runs."""

    invoked_subcommand: str | None


@dataclass
class Outcome:
    """How a command ended, with the context it ran in."""

    code: int = COULD_NOT
    context: Context | None = None

    @property
    def verb(self) -> str:
        return (self.context and self.context.invoked_subcommand) or ""


@contextmanager
def reported(program: str) -> Iterator[Outcome]:
    """Give the block an outcome to fill, and turn whatever it raises into an exit code and a line."""
    _tolerate_encodings()
    outcome = Outcome()
    try:
        try:
            yield outcome
        except typer.Exit as end:
            outcome.code = end.exit_code
        except typer.TyperException as error:
            _report_usage(program, outcome.verb, error)
    except GatewayError as error:
        _say(program, outcome.verb, str(error))
    except KeyboardInterrupt:
        _say(program, outcome.verb, "interrupted; nothing is half-written, and it is safe to run it again")
    except BrokenPipeError:
        outcome.code = OK
    # The place, never the value: the message of an exception of Python's own may hold one. Python's own exit code for
    # it is 1, which means "finished with rejects" here.
    except Exception as bug:
        log.bug(bug)
        _say(program, outcome.verb, f"a bug ({type(bug).__name__}); the log names the lines of code")


def _tolerate_encodings() -> None:
    """Replace characters that a terminal cannot show, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _report_usage(program: str, verb: str, error: typer.TyperException) -> None:
    """Report words that do not fit the command."""
    context = getattr(error, "ctx", None)
    if context is not None:
        print(context.get_usage(), file=sys.stderr)
        verb = context.command_path.removeprefix(program).strip()
    _say(program, verb, _usage(error))


def _usage(error: typer.TyperException) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        known = (text for words, text in PLAIN.items() if error.message.startswith(words))
        return next(known, error.format_message())
    if not error.message:  # a missing one
        return error.format_message()
    expected, _, _ = error.message.partition(",")
    if not expected.startswith("Input should be"):  # the words of another kind of message repeat the value
        expected = f"expected {parameter.display_type(getattr(error, 'ctx', None))}"
    return f"{parameter.get_error_hint()}: {expected}"


def _say(program: str, verb: str, text: str) -> None:
    print(f"{f'{program} {verb}'.strip()}: {steering.line(text)}", file=sys.stderr)

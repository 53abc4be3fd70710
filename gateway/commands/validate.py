"""``gateway validate``: check resources."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from gateway.commands._failures import OK, WITH_REJECTS
from gateway.commands._options import JsonAlways
from gateway.commands._start import start


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE|-", help="JSON or NDJSON files; - is standard input.")],
    closely: Annotated[
        bool, typer.Option("--closely", help="Also hold what $validate holds and a load does not.")
    ] = False,
    second: Annotated[bool, typer.Option("--second", help="Also tell what fhir.resources says.")] = False,
    as_json: JsonAlways = False,
) -> int:
    """Check resources against R4 and UK Core's constraints: one JSON line each. Exit 1 when one is not valid R4."""
    start()
    from gateway.fhir import files as reader
    from gateway.fhir import scrutiny
    from gateway.nhs import validation

    more = validation.claimed_and_second if second else validation.claimed
    closer = scrutiny.scrutinise if closely else validation.nothing
    all_valid = True
    for result in reader.validate_lines(files, sys.stdin.buffer, more, closer):
        all_valid &= result["valid"]
        print(json.dumps(result), flush=True)
    return OK if all_valid else WITH_REJECTS


VERB = validate

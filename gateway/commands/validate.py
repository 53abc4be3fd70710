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
    as_json: JsonAlways = False,
) -> int:
    """Check resources against R4 and UK Core's constraints: one JSON line each. Exit 1 when one is not valid R4."""
    start()
    from gateway.fhir import files as reader
    from gateway.nhs import ukcore

    all_valid = True
    for result in reader.validate_lines(files, sys.stdin.buffer, ukcore.check_claimed):
        all_valid &= result["valid"]
        print(json.dumps(result), flush=True)
    return OK if all_valid else WITH_REJECTS


VERB = validate

"""The options and arguments that several commands take, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
JsonAlways = Annotated[
    bool, typer.Option("--json", help="Print JSON, which is what it prints without this option too.")
]
FeedName = Annotated[str, typer.Option("--feed", help="The feed's table in the file that GATEWAY_FEEDS names.")]
SourceName = Annotated[str, typer.Argument(help="The source: the name of a folder of mappings, such as emis.")]
Actor = Annotated[str, typer.Option("--as", metavar="NAME", help="Who does this, for the audit.")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Processes to use; by default one for each core.", show_default=False)
]
Mappers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes that map; by default one for each core, at most eight.", show_default=False),
]
OutFolder = Annotated[Path, typer.Option(help="The folder to write the release into: new, or empty.")]

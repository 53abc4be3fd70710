"""The mapping document: what each column of a source becomes in FHIR, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from gateway.explain.trials import Effect, Effects
from gateway.web.templating import environment
from mappings import Source

REACHES, DECIDES, READS, LEFT_OUT, NOTHING = (
    "change an element",
    "decide whether a resource is made, and which",
    "are only read: keys, order, publishers, refusals",
    "are mapped to nothing, with the reason",
    "change nothing in the samples",
)
"""What a column does, from most to least; ``NOTHING`` is what is still to be shown, or to be mapped."""
PREAMBLE = """\
Written by `gateway explain {name}` and checked by a test. Nothing here was typed: each value of the samples was
changed, one at a time, read and mapped again, and what became another was noted. So it tells what the samples show,
and a column that is empty in them, or whose values do not matter there, may do more.

**Becomes** names the FHIR elements that change with the column. **Made or not**: the value decides whether a resource
of the type is made, or under which id. **Code table**: the column is looked up there, and does less without it."""


@dataclass(frozen=True)
class Explanation:
    """A source and what its columns do."""

    source: Source
    effects: Effects

    def kind(self, place: tuple[str, str]) -> str:
        """What a column does, as one of the five kinds."""
        effect = self.effects[place]
        if effect.elements:
            return REACHES
        if effect.types:
            return DECIDES
        if effect.other:
            return READS
        return LEFT_OUT if self.source.unmapped(*place) else NOTHING

    @property
    def counts(self) -> dict[str, int]:
        """How many columns are of each kind."""
        kinds = [self.kind(place) for place in self.effects]
        return {kind: kinds.count(kind) for kind in (REACHES, DECIDES, READS, LEFT_OUT, NOTHING)}

    def as_json(self) -> dict[str, Any]:
        """The whole as plain values."""
        columns = [
            {
                "table": table,
                "column": column,
                "elements": effect.elements,
                "types": sorted(effect.types),
                "codeTables": sorted(effect.tables),
                "other": sorted(effect.other),
                "reason": self.source.unmapped(table, column),
                "filled": effect.is_filled,
            }
            for (table, column), effect in self.effects.items()
        ]
        about = {"source": self.source.name, "version": self.source.version, "counts": self.counts}
        return {**about, "columns": columns}


def markdown(explanation: Explanation) -> str:
    """The document as Markdown."""
    return "\n".join(_lines(explanation)) + "\n"


def page(explanation: Explanation) -> str:
    """The document as one HTML page that needs nothing beside it."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown(explanation))
    style = files("gateway.web").joinpath("static", "document.css").read_text(encoding="utf-8")
    template = environment().get_template("explain.html")
    return template.render(title=explanation.source.title, body=Markup(body), style=Markup(style))


def _lines(explanation: Explanation) -> Iterator[str]:
    source = explanation.source
    yield f"# {source.title}: what becomes what"
    yield ""
    yield PREAMBLE.format(name=source.name)
    yield ""
    yield f"Mapping version {source.version}."
    yield ""
    yield "## In numbers"
    yield ""
    yield f"| Of {len(explanation.effects)} columns in the samples | |"
    yield "|---|---:|"
    for kind, count in explanation.counts.items():
        yield f"| {kind} | {count} |"
    yield ""
    still = [place for place in explanation.effects if explanation.kind(place) == NOTHING]
    if still:
        yield f"What changes nothing in the samples: {_by_table(still)}."
        yield ""
    for table in dict.fromkeys(table for table, _ in explanation.effects):
        yield f"## {table}"
        yield ""
        yield "| Column | Becomes | Made or not | Code table | Also |"
        yield "|---|---|---|---|---|"
        for (of, column), effect in explanation.effects.items():
            if of == table:
                yield _row(explanation, table, column, effect)
        yield ""


def _row(explanation: Explanation, table: str, column: str, effect: Effect) -> str:
    also = "; ".join(sorted(effect.other)) or explanation.source.unmapped(table, column)
    if not also and explanation.kind((table, column)) == NOTHING:
        also = "changes nothing in the samples" if effect.is_filled else "empty in the samples"
    cells = (column, _elements(effect.elements), _listed(effect.types), _listed(effect.tables), also)
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _elements(elements: Iterable[str]) -> str:
    """Elements with their type said once: ``Patient: name.family, gender``."""
    by_type: dict[str, list[str]] = {}
    for element in elements:
        type_, _, rest = element.partition(".")
        by_type.setdefault(type_, []).append(rest)
    return "; ".join(f"**{type_}** {', '.join(rest)}" for type_, rest in by_type.items())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _by_table(places: Iterable[tuple[str, str]]) -> str:
    by_table: dict[str, list[str]] = {}
    for table, column in places:
        by_table.setdefault(table, []).append(column)
    return "; ".join(f"**{table}** {', '.join(columns)}" for table, columns in by_table.items())


def _cell(text: str) -> str:
    """Text within a cell of a table."""
    return text.replace("|", "\\|").replace("_", "\\_").replace("\n", " ")

"""Prints progress bars (on a terminal only) and reports as tables for the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gateway import steering


class _Console(Console):
    """A console whose reader may end first, as ``| head`` does."""

    def on_broken_pipe(self) -> None:
        """Raise ``BrokenPipeError``, as ``print`` does. Rich would end the program with 1, which means "finished with
        rejects" here."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise BrokenPipeError from None

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """What is printed, as segments. The words of others steer no terminal; Rich's own controls do."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(steering.plain(segment.text), segment.style)


out = _Console(highlight=False)
err = _Console(stderr=True, highlight=False)
OUTCOMES = ("created", "updated", "unchanged", "deleted")
MOST, SHOWN = 6, 3
"""Kinds listed in a line of a report, and rows shown of a section, at most."""
XHTML = "{http://www.w3.org/1999/xhtml}"


class _Rate(ProgressColumn):
    """The rate per second, as text."""

    def render(self, task: Task) -> Text:
        taken = task.finished_time or task.elapsed
        speed = task.finished_speed or task.speed or (task.completed / taken if taken else None)
        return Text(f"{speed:>9,.0f} {task.fields.get('unit', '')}/s" if speed else "", style="dim")


@contextmanager
def progress(title: str, unit: str = "groups") -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (phase, done, of) that draws a bar a phase, with the rate and the time left."""
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(bar_width=32), TextColumn("{task.percentage:>3.0f} %"), _Rate(),
        TimeElapsedColumn(), TextColumn("[dim]left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=False, disable=not err.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def step(phase: str, done: int, of: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(
                    f"{title}: {phase}", total=of or 1, unit="rows" if phase == "rows kept" else unit
                )
            bars.update(tasks[phase], completed=done if of else 1, total=of or 1)

        yield step


def replaced(report: dict[str, Any]) -> Text:
    """Say what ``--replace`` deleted, or why nothing and how to have it done."""
    absent = sum(report["absent"].values())
    if report["replaced"] and absent:
        return Text(f"--replace deleted {report['rows'].get('gone', 0):,} rows")
    if report["replaced"]:
        return Text("--replace deleted nothing: all that is held is in this delivery")
    if report["rejects"]:
        why = "rows of this delivery were rejected"
    else:
        why = f"it would delete {absent:,} rows. If that is right: --replace --confirm-gone {absent}"
    return Text(f"--replace deleted nothing: {why}", style="bold red")


def _rows_read(report: dict[str, Any]) -> str:
    """How many rows came, of how many files, and what they were to what is held."""
    rows = report["rows"]
    kinds = ", ".join(f"{rows[kind]:,} {kind}" for kind in ("new", "changed", "unchanged", "older") if rows.get(kind))
    return f"{rows.get('read', 0):,} rows read from {report['files']} files" + (f" ({kinds})" if kinds else "")


def load_report(report: dict[str, Any]) -> None:
    """Print a load report: rows, resources by type, people, and what was not taken, by place and never by value."""
    read = f"{_rows_read(report)}, " if report["files"] else ""
    title = f"{report['source']}: {read}{report['written']:,} resources written in {report['seconds']:.1f} s"
    table = _table("resource", *OUTCOMES)
    for name, outcomes in report["resources"].items():
        table.add_row(name, *(f"{outcomes[o]:,}" if o in outcomes else "" for o in OUTCOMES))
    out.print(Text(title, style="bold"), *([table] if report["resources"] else ()))
    if report["people"]:
        people(report["people"])
    if coded := _coded(report["publishers"]):
        out.print(Text(coded))
    if report["lagSeconds"] is not None:
        out.print(f"extracted {report['extracted']}, all of it visible {_long(report['lagSeconds'])} later")
    for title, key in (
        ("labels", "labels"),
        ("UK Core's constraints broken", "ukCore"),
        ("codes without a standard code, by their system", "unmappedCodes"),
        ("values that no code table lists", "unlistedValues"),
        ("left out of rows that were taken", "warnings"),
        ("columns that are not known, kept with their rows", "unreadColumns"),
        ("held, but absent from this whole delivery", "absent"),
        ("of these, tables that would lose most and patients who would lose everything", "emptied"),
    ):
        if report[key]:
            counts = list(report[key].items())
            shown = ", ".join(f"{name.rsplit('/', 1)[-1]} ({count:,})" for name, count in counts[:MOST])
            out.print(Text(f"{title}: {shown}" + (f" and {len(counts) - MOST} more" if len(counts) > MOST else "")))
    if report["replaced"] is not None:
        out.print(replaced(report))
    if report["rejects"]:
        out.print(
            Text(
                "rejected: " + ", ".join(f"{reason} ({count:,})" for reason, count in report["rejects"].items()),
                style="bold red",
            )
        )
        for place in report["places"][:10]:
            out.print(Text(f"  {place}"))
        if len(report["places"]) > 10:
            out.print(f"  … and {sum(report['rejects'].values()) - 10:,} more, in the report that --json prints")
        if report["rejectsKept"]:
            out.print(f"  kept to be replayed: {report['rejectsKept']:,}, see `gateway rejects list`")
        if report["rejectsNotKept"]:
            out.print(
                Text(f"  not kept for want of room: {report['rejectsNotKept']:,}. Keep their files", style="bold red")
            )
        if report["rejectsWithoutBytes"]:
            words = (
                f"  cannot be replayed: {report['rejectsWithoutBytes']:,}, their bytes are not kept. Keep their files"
            )
            out.print(Text(words, style="bold red"))
    out.print()


def quality(publishers: Sequence[dict[str, Any]], sources: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> None:
    """Print what each publisher sends, and what the deliveries of each source came to. ``titles`` are of the parts of a
    source's quality."""
    table = _table("publisher", "patients", "with number", "gathered", "list", "stated", "coded", "last sent")
    for row in publishers:
        name = f"{row['source']} {row['name'] or row['ods'] or row['publisher']}"
        listed = "" if row["listSize"] is None else f"{row['listSize']:,}"
        stated = f"{row['statedListSize']:,}" if row["statedListSize"] else ""
        shares = [_share(row[part], row["patients"]) for part in ("withNhsNumber", "gathered")]
        coded = _share(row["coded"], row["concepts"])
        ago = f"{_long(row['ageSeconds'])} ago"
        table.add_row(Text(name), f"{row['patients']:,}", *shares, listed, stated, coded, ago)
    out.print(table)
    for row in sources:
        lag = "" if row["lagSeconds"] is None else f", visible at most {_long(row['lagSeconds'])} after the extract"
        out.print(Text(f"{row['source']}: {row['deliveries']:,} deliveries in 30 days{lag}", style="bold"))
        for part, title in titles.items():
            if row[part]:
                counts = list(row[part].items())
                shown = ", ".join(f"{name} ({count:,})" for name, count in counts[:MOST])
                out.print(Text(f"  {title}: {shown}" + (f" and {len(counts) - MOST} more" if counts[MOST:] else "")))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else ""


def _coded(publishers: dict[str, dict[str, int]]) -> str:
    """How much of what came has a standard code, by publisher; "" where nothing that came is coded."""
    shares = [
        f"{name} {counts['coded'] / counts['concepts']:.0%} of {counts['concepts']:,}"
        for name, counts in publishers.items()
        if counts["concepts"]
    ]
    more = f" and {len(shares) - MOST} more" if len(shares) > MOST else ""
    return f"with a standard code: {', '.join(shares[:MOST])}{more}" if shares else ""


def _long(seconds: int) -> str:
    """A time in the largest unit that shows it."""
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.0f} {name}"
    return f"{seconds:,} seconds"


def people(counts: dict[str, int]) -> None:
    """Print how many records became how many persons, and how many were not gathered although they share a number."""
    out.print(
        f"people: {counts.get('patients', 0):,} patient records of {counts.get('persons', 0):,} persons. "
        f"[green]{counts.get('gathered', 0):,} gathered[/] with another source's; "
        f"[yellow]{counts.get('notGathered', 0):,} not gathered[/] although a number agrees (possible mismatch, "
        f"shown to nobody)" + (": `gateway mismatches` lists them" if counts.get("notGathered") else "")
    )


def summary(document: dict[str, Any], title: str) -> None:
    """Print a summary document under a title: who it is about, then the first rows of each section with date and
    source, or why there are none."""
    composition = document["entry"][0]["resource"]
    patient = next(entry["resource"] for entry in document["entry"] if entry["resource"]["resourceType"] == "Patient")
    name, numbers = (
        patient["name"][0],
        [i["value"] for i in patient["identifier"] if i["system"].endswith("/nhs-number")],
    )
    number = numbers[0] if numbers else "not known"
    words = (
        f"{name['family'].upper()}, {' '.join(name.get('given', ()))}", f"born {patient['birthDate']}", patient.get("gender", "sex not known"),
        f"NHS number {number[:3]} {number[3:6]} {number[6:]}",
    )  # fmt: skip
    panel("   ".join(words), title)
    for section in composition["section"]:
        rows = _rows(section["text"]["div"]) if "entry" in section else []
        if rows:
            out.print(Text(f"{section['title']}  {len(rows)}", style="bold"))
            out.print(_first(rows))
        elif "emptyReason" in section:
            out.print(Text.assemble((section["title"], "bold"), (f"  {section['emptyReason']['text']}", "dim")))


def _first(rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, expand=True)
    for column in ({"ratio": 4}, {"width": 17}, {"ratio": 5}, {"ratio": 3, "style": "dim"}):
        table.add_column(**column)
    for what, when, more, note, source in rows[:SHOWN]:
        table.add_row(
            Text(f"  {what}"),
            Text(when),
            Text.assemble((note, "yellow"), " · " if note and more else "", more),
            Text(source),
        )
    if len(rows) > SHOWN:
        table.add_row(Text(f"  … and {len(rows) - SHOWN} more", style="dim"))
    return table


def _rows(div: str) -> list[tuple[str, ...]]:
    """The rows of a section's narrative tables, which the gateway itself made."""
    bodies = ElementTree.fromstring(div).iterfind(f".//{XHTML}tbody")
    return [tuple(" ".join(cell.itertext()) for cell in row) for body in bodies for row in body]


def released(rows: Iterable[tuple[str, str, str]]) -> None:
    """Print a person's held data beside the released data."""
    table = _table("one person", "as held", "as released", right=False)
    for name, held, left in rows:
        table.add_row(Text(name, style="dim"), Text(held), Text(left or "–"))
    out.print(table)
    out.print()


def absences(rows: Iterable[tuple[str, int, int, str]]) -> None:
    """Print who is in a release and who is not: records the sources hold, records released, and why."""
    table = _table("person", "records held", "in the export")
    table.add_column("why")
    for name, held, left, why in rows:
        table.add_row(
            Text(name),
            str(held),
            Text(str(left), style="green" if left == held else "bold yellow"),
            Text(why, style="dim"),
        )
    out.print(table)
    out.print()


def export_report(manifest: dict[str, Any], folder: Path) -> None:
    """Print what a release holds, file by file as the recipient may know it, and what its policy dropped."""
    about = manifest["extension"]
    table = _table("file", "people", "size")
    for line in manifest["output"]:
        table.add_row(line["url"], str(about["counts"][line["url"]]), _size((folder / line["url"]).stat().st_size))
    out.print(Text(f"release for {about['project']}: {about['notice']}", style="bold"), table)
    counts = [count for count in about["dropped"].values() if isinstance(count, int)]
    dropped = f"about {sum(counts):,} of {len(about['dropped'])} kinds, listed in the manifest"
    out.print(
        f"persons {about['persons']}; elements dropped by the policy: {dropped}. Small counts are *, others "
        f"rounded (disclosure control)."
    )
    out.print()


def tables_report(report: Mapping[str, Any], folder: Path) -> None:
    """Print what tables were written of a release."""
    table = _table("table", "rows", "size")
    for name, rows in report["tables"].items():
        table.add_row(name, f"{rows:,}", _size((folder / f"{name}.parquet").stat().st_size))
    out.print(table, Text(f"the column person is {report['person']}"))
    for title, counts in (
        ("of nobody in the release", report["unlinked"]),
        ("without a view", dict.fromkeys(report["noView"], "")),
    ):
        if counts:
            out.print(Text(f"{title}: " + ", ".join(f"{name} {count}".strip() for name, count in counts.items())))


def attack_report(
    figures: Mapping[str, float],
    limits: Mapping[str, float],
    over: Sequence[str],
    *,
    is_whole: bool,
    not_measured: Sequence[str] = (),
) -> None:
    """Print what attacks on a release gave, each figure beside its limit if it has one."""
    table = _table("figure", "is", "may be", "")
    for name, figure in figures.items():
        limit = f"{limits[name]:g}" if name in limits else ""
        table.add_row(name, _figure(figure), limit, "over" if name in over else "")
    out.print(table)
    if not_measured:
        out.print(f"Not measured, for want of Patients: {', '.join(not_measured)}.")
    if not is_whole:
        out.print("A random sample of the release: of all its people fewer are alone.")


def _figure(figure: float) -> str:
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.1%}"


def _table(first: str, *others: str, right: bool = True) -> Table:
    """A table without lines: the first column is text; the others are aligned right for numbers (``right``)."""
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right" if right else "left")
    return table


def _size(size: int) -> str:
    return f"{size / 1000:,.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"


def step(number: int, title: str) -> None:
    """The heading of one step of the demo."""
    out.print(f"\n[bold blue]{number}[/]  [bold]{title}[/]\n")


def panel(text: str, title: str) -> None:
    """A boxed text."""
    out.print(Panel(Text(text), title=title, title_align="left", expand=False))

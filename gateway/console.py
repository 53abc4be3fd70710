"""What an operator sees: a progress bar while work runs (on a terminal only), and reports as tables when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class _Rate(ProgressColumn):
    """How much a second."""

    def render(self, task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:>9,.0f} {task.fields.get('unit', '')}/s" if speed else "", style="dim")


@contextmanager
def progress(title: str, unit: str = "groups") -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (phase, done, of) that draws a bar a phase, with the rate and the time left."""
    columns = (
        TextColumn("{task.description:<24}"), BarColumn(bar_width=32), TextColumn("{task.percentage:>3.0f} %"), _Rate(),
        TimeElapsedColumn(), TextColumn("[dim]left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=False, disable=not err.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def step(phase: str, done: int, of: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(f"{title}: {phase}", total=of or 1, unit="rows" if phase == "rows kept" else unit)
            bars.update(tasks[phase], completed=done if of else 1, total=of or 1)

        yield step


def load_report(report: dict) -> None:
    """Print a load report: rows, resources by type, people, and what was not taken, by place and never by value."""
    rows = report["rows"]
    title = (
        f"{report['source']}: {rows.get('read', 0):,} rows in {report['files']} files, {report['written']:,} resources in {report['seconds']:.1f} s"
    )
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("resource")
    for name in ("created", "updated", "unchanged", "deleted"):
        table.add_column(name, justify="right")
    for name, outcomes in report["resources"].items():
        table.add_row(name, *(f"{outcomes[o]:,}" if o in outcomes else "" for o in ("created", "updated", "unchanged", "deleted")))
    out.print(table)
    people = report["people"]
    if people:
        out.print(
            f"people: {people.get('persons', 0):,} persons from {people.get('patients', 0):,} patient records; "
            f"{people.get('gathered', 0):,} gathered, {people.get('notGathered', 0):,} not gathered (possible mismatch)"
        )
    for title, key in (("labels", "labels"), ("UK Core's constraints broken", "ukCore"), ("codes without a standard code", "unmappedCodes")):
        if report[key]:
            out.print(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in list(report[key].items())[:6]))
    if report["rejects"]:
        out.print("[bold red]rejected: " + ", ".join(f"{reason} {count:,}" for reason, count in report["rejects"].items()))
        for place in report["places"][:10]:
            out.print(f"  {place}")
        if len(report["places"]) > 10:
            out.print(f"  … and {sum(report['rejects'].values()) - 10:,} more: gateway quarantine list")
    out.print()


def export_report(manifest: dict) -> None:
    """Print what a release holds and what its policy dropped."""
    about = manifest["extension"]
    table = Table(title=f"release for {about['project']}: {about['notice']}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("resources", justify="right")
    for line in manifest["output"]:
        table.add_row(line["url"], str(line["count"]))
    out.print(table)
    counts = [count for count in about["dropped"].values() if isinstance(count, int)]
    out.print(
        f"persons {about['persons']}; elements dropped by the policy: about {sum(counts):,} of {len(about['dropped'])} kinds, listed in the manifest"
    )
    out.print()


def step(number: int, title: str) -> None:
    """The heading of one step of the demo."""
    out.print(f"\n[bold blue]{number}[/]  [bold]{title}[/]\n")


def panel(text: str, title: str) -> None:
    """A boxed text."""
    out.print(Panel(text, title=title, title_align="left", expand=False))

"""What an operator sees while work runs: a progress bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class _Rate(TextColumn):
    def render(self, task):
        speed = task.finished_speed or task.speed
        unit = task.fields.get("unit", "")
        self.text_format = f"{speed:,.0f} {unit}/s" if speed else ""
        return super().render(task)


@contextmanager
def progress(title: str, unit: str = "rows") -> Iterator[Callable[[str, int, int], None]]:
    """Give a function (phase, done, of) that draws a bar a phase, with the rate and the time left."""
    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(bar_width=32), TextColumn("{task.percentage:>3.0f}%"), _Rate(""),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=False, disable=not err.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def step(phase: str, done: int, of: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(f"{title}: {phase}", total=of or 1, unit="bytes" if phase == "rows kept" else unit)
            bars.update(tasks[phase], completed=done if of else 1)

        yield step

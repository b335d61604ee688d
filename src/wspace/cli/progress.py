"""The progress bar of long commands: on stderr, with rate and time left, quiet when piped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["describe_seconds", "progress_bar"]


def describe_seconds(seconds: float | None) -> str:
    """Such as "4 h 16 min", "16 min", "50 s"; "?" where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"


@contextlib.contextmanager
def progress_bar(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; yield a function of (things done, all things).

    Nothing is shown where stderr is no terminal.

    Args:
        description: what is going on, such as "drawing".
        unit: what they are called, such as "pictures".
    """
    # rich takes a tenth of a second to import: `--help` does not pay for it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f} {unit}/s")

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)

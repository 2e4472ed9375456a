"""One table for all the tasks that workers measure: how many are done, which run, what the last ones gave."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from recon.benchmark.results import Task
from recon.benchmark.workers import Outcome

SHOWN = 8
"""Ended tasks that stay in sight."""


class Board:
    """Draws on a console while tasks run. A context: the table stays when it ends."""

    def __init__(self, tasks: Sequence[Task], console: Console) -> None:
        self._total = len(tasks)
        self._began: dict[Task, float] = {}
        self._ended: list[tuple[Task, str]] = []
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=1)

    def __enter__(self) -> "Board":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, running: Sequence[Task], outcome: Outcome | None) -> None:
        """Takes note of what runs now, and of a task that has ended."""
        now = time.monotonic()
        if outcome is not None:
            seconds = now - self._began.get(outcome.task, now)
            self._ended.append((outcome.task, f"{_result(outcome)} after {seconds:.0f} s"))
        self._began = {task: self._began.get(task, now) for task in running}

    def _table(self) -> Table:
        table = Table("task", "state", title=f"{len(self._ended)} of {self._total} tasks done")
        for task, state in self._ended[-SHOWN:]:
            table.add_row(str(task), state)
        for task, began in self._began.items():
            table.add_row(str(task), f"running for {time.monotonic() - began:.0f} s")
        return table


def _result(outcome: Outcome) -> str:
    psnr = outcome.measured and outcome.measured.report.psnr
    return f"failed: {outcome.error}" if psnr is None else f"{psnr:.2f} dB"

"""Fits and measures every task of a benchmark that is not measured yet."""

from collections.abc import Sequence

import torch
from rich.console import Console

from recon.benchmark.board import Board
from recon.benchmark.measure import Measured, measure, with_lpips
from recon.benchmark.plan import Plan
from recon.benchmark.results import Task, read_result, write_pictures, write_result
from recon.benchmark.workers import Workers, measure_side_by_side
from recon.errors import InputError
from recon.metrics import Distance
from recon.progress import Terminal
from recon.rendering import Engine


def run_plan(
    plan: Plan, device: torch.device, engine: Engine, console: Console, workers: Workers | None = None
) -> list[dict]:
    """The results of all tasks; those that lie in the output folder are read, the others measured: by
    `workers`, or here one after the other.

    Raises InputError if one there is damaged, or was measured with other settings."""
    found = {task: found_result(plan, task) for task in plan.tasks if task.file(plan.output).exists()}
    missing = [task for task in plan.tasks if task not in found]
    if missing:
        plan, lpips = with_lpips(plan, device)
        if workers is None:
            run_here(plan, missing, device, engine, lpips, console)
        else:
            run_side_by_side(plan, missing, device, workers, console)
    return [found.get(task) or found_result(plan, task) for task in plan.tasks]


def run_here(
    plan: Plan,
    tasks: Sequence[Task],
    device: torch.device,
    engine: Engine,
    lpips: Distance | None,
    console: Console,
) -> None:
    """Measures the tasks in this process and writes a result each."""
    for number, task in enumerate(tasks, start=1):
        console.print(f"{number} of {len(tasks)}: {task}", highlight=False)
        with Terminal(console) as terminal:
            measured = measure(plan, task, device, engine, lpips, terminal)
        keep(plan, task, measured)


def run_side_by_side(
    plan: Plan, tasks: Sequence[Task], device: torch.device, workers: Workers, console: Console
) -> None:
    """Has the tasks measured by workers and writes a result each. A task that fails does not stop the others;
    the first failure is raised when they are done."""
    failures = []
    with Board(tasks, console) as board:
        for running, outcome in measure_side_by_side(plan, tasks, device, workers):
            board.show(running, outcome)
            if outcome is None:
                continue
            if outcome.measured is not None:
                keep(plan, outcome.task, outcome.measured)
            if outcome.error is not None:
                failures.append(outcome.error)
    if failures:
        raise failures[0]


def keep(plan: Plan, task: Task, measured: Measured) -> None:
    """Writes the pictures, and then the result, which says that all is there."""
    write_pictures(task.pictures(plan.output), measured.pictures)
    write_result(task.file(plan.output), task, measured.report, plan.decided(task))


def found_result(plan: Plan, task: Task) -> dict:
    """A result that lies in the output folder, if it is of this plan."""
    path = task.file(plan.output)
    result = read_result(path)
    if any(result.get(key) != value for key, value in plan.decided(task).items()):
        raise InputError(
            f"{path} was measured with other settings; choose another --output, or delete it to have it "
            "measured again."
        )
    return result

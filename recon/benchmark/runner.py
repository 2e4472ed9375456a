"""Fits and measures every task of a benchmark that is not measured yet."""

import logging
from dataclasses import replace

import torch
from rich.console import Console

from recon import datasets
from recon.benchmark.plan import Plan
from recon.benchmark.results import Task, read_result, write_result
from recon.datasets.posed import reduce_views
from recon.errors import InputError, MachineError
from recon.methods.priors.poses_types import PosesConfig
from recon.metrics import Distance, evaluate, make_lpips
from recon.pipeline import Report, Stopwatch, Watch, fit_views, make_report, solve_views
from recon.progress import Terminal
from recon.rendering import Engine
from recon.scene import Views
from recon.trainer import near_plane

logger = logging.getLogger(__name__)


def run_plan(plan: Plan, device: torch.device, engine: Engine, console: Console) -> list[dict]:
    """The results of all tasks; those that lie in the output folder are read, the others measured.

    Raises InputError if one there is damaged, or was measured with other settings."""
    found = {task: found_result(plan, task) for task in plan.tasks if task.file(plan.output).exists()}
    missing = [task for task in plan.tasks if task not in found]
    plan, lpips = with_lpips(plan, device) if missing else (plan, None)
    for number, task in enumerate(missing, start=1):
        console.print(
            f"{number} of {len(missing)}: {task.scene}, {task.views} views, {task.method}, seed {task.seed}"
        )
        with Terminal(console) as terminal:
            report = measure(plan, task, device, engine, lpips, terminal)
        write_result(task.file(plan.output), task, report, plan.decided(task))
        found[task] = found_result(plan, task)
    return [found[task] for task in plan.tasks]


def with_lpips(plan: Plan, device: torch.device) -> tuple[Plan, Distance | None]:
    """The plan and the distance that it asks for; a plan without one if the weights are not to be had."""
    if plan.metrics.lpips_net == "none":
        return plan, None
    try:
        return plan, make_lpips(plan.metrics.lpips_net, device, plan.metrics.lpips_range)
    except MachineError as error:
        logger.warning("%s The other metrics are measured; --lpips none reads their results again.", error)
        return replace(plan, metrics=replace(plan.metrics, lpips_net="none")), None


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


def measure(
    plan: Plan, task: Task, device: torch.device, engine: Engine, lpips: Distance | None, watch: Watch
) -> Report:
    """Fits the train views of a task; only then looks at its test views."""
    train, test = read_task(plan, task, watch)
    train, config, clock = train.to(device), plan.config(task), Stopwatch(device)
    fitted = fit_views(train, config, engine, clock, watch)
    if not fitted.finished:
        # Ctrl-C: half a fit is no measurement.
        raise KeyboardInterrupt
    with clock.stage("evaluation"):
        near = near_plane(fitted.stereo)
        scores = evaluate(fitted.state.gaussians, test.to(device), engine, near, lpips, plan.metrics)
    return make_report(task.method, config, train, fitted, scores, clock, engine)


def read_task(plan: Plan, task: Task, watch: Watch) -> tuple[Views, Views]:
    """The views to fit and those to measure, with the data set's cameras or, by the protocol, solved ones."""
    scene = datasets.load(plan.reading(task))
    if plan.protocol.solves_cameras:
        train, test = solve_views(scene, PosesConfig(), watch)
    elif isinstance(scene.train, Views) and isinstance(scene.test, Views):
        train, test = scene.train, scene.test
    else:
        raise InputError(f"{plan.data / task.scene} gives no cameras; {task.protocol} needs them.")
    return (train if plan.max_size is None else reduce_views(train, plan.max_size)), test

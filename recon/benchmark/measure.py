"""One task of a benchmark: its views read, its train views fitted, its test views measured."""

import logging
from dataclasses import dataclass, replace

import torch

from recon import datasets
from recon.alignment import AlignmentConfig
from recon.benchmark.pictures import draw_pictures
from recon.benchmark.plan import Plan
from recon.benchmark.results import Task
from recon.datasets.posed import reduce_views
from recon.errors import InputError, MachineError
from recon.events import Watch
from recon.methods.priors.poses_types import PosesConfig
from recon.metrics import Distance, evaluate, make_lpips
from recon.pipeline import Report, Stopwatch, aligned_scores, fit_views, make_report
from recon.placing import solve_views
from recon.rendering import Engine
from recon.scene import Views
from recon.trainer import near_plane

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """What came of a task."""

    report: Report
    pictures: dict[str, bytes]
    """JPEG files by name."""


def measure(
    plan: Plan, task: Task, device: torch.device, engine: Engine, lpips: Distance | None, watch: Watch
) -> Measured:
    """Fits the train views of a task; only then looks at its test views."""
    train, test = read_task(plan, task, watch)
    train, config, clock = train.to(device), plan.config(task), Stopwatch(device)
    fitted = fit_views(train, config, engine, clock, watch, depth=plan.depth)
    if not fitted.finished:
        # Ctrl-C: half a fit is no measurement.
        raise KeyboardInterrupt
    with clock.stage("evaluation"):
        near = near_plane(fitted.stereo)
        test = test.to(device)
        scores = evaluate(fitted.state.gaussians, test, engine, near, lpips, plan.metrics)
        alignment = AlignmentConfig(plan.protocol.align_steps)
        aligned = aligned_scores(fitted, test, alignment, engine, lpips, plan.metrics)
    pictures = draw_pictures(fitted.state.gaussians, test, engine, near, plan.pictures)
    report = make_report(task.method, config, train, fitted, scores, clock, engine)
    return Measured(replace(report, **aligned), pictures)


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


def with_lpips(plan: Plan, device: torch.device) -> tuple[Plan, Distance | None]:
    """The plan and the distance that it asks for; a plan without one if the weights are not to be had."""
    if plan.metrics.lpips_net == "none":
        return plan, None
    try:
        return plan, make_lpips(plan.metrics.lpips_net, device, plan.metrics.lpips_range)
    except MachineError as error:
        logger.warning("%s The other metrics are measured; --lpips none reads their results again.", error)
        return replace(plan, metrics=replace(plan.metrics, lpips_net="none")), None

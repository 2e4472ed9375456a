"""Fits and measures every task of a benchmark that is not measured yet."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from recon import datasets
from recon.benchmark.protocols import Protocol
from recon.benchmark.results import Task, read_result, write_result
from recon.errors import InputError
from recon.methods.table import MethodConfig
from recon.metrics import Distance, evaluate, make_lpips
from recon.pipeline import Report, Stopwatch, Watch, fit_views, make_report
from recon.progress import Terminal
from recon.rendering import Engine
from recon.run_folder import plain
from recon.scene import Views
from recon.trainer import near_plane


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and where results lie."""

    protocol: Protocol
    data: Path
    """Holds one folder a scene."""
    scenes: tuple[str, ...]
    views: tuple[int, ...]
    methods: dict[str, MethodConfig]
    seeds: int
    output: Path
    lpips: Literal["vgg", "alex", "none"]

    @property
    def tasks(self) -> list[Task]:
        """Every scene with every number of views, method and seed."""
        every = itertools.product(self.scenes, self.views, self.methods, range(self.seeds))
        return [Task(self.protocol.name, *one) for one in every]


def choose_scenes(protocol: Protocol, data: Path, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted scenes, or all of the protocol's that lie in `data`. Raises InputError if one is missing."""
    present = tuple(scene for scene in protocol.scenes if (data / scene).is_dir())
    missing = [scene for scene in wanted if scene not in present]
    if missing or not present:
        raise InputError(
            f"{data} holds no scene {', '.join(missing) or protocol.scenes[0]} of the {protocol.name} "
            f"protocol (there: {', '.join(present) or 'none'}); give --data the folder with a folder a scene."
        )
    return wanted or present


def run_plan(plan: Plan, device: torch.device, engine: Engine, console: Console) -> list[dict]:
    """The results of all tasks; those that lie in the output folder are read, the others measured.

    Raises InputError if one there is damaged, or was measured with other settings."""
    found = {task: _found(plan, task) for task in plan.tasks if task.file(plan.output).exists()}
    missing = [task for task in plan.tasks if task not in found]
    lpips = make_lpips(plan.lpips, device) if missing and plan.lpips != "none" else None
    for number, task in enumerate(missing, start=1):
        console.print(
            f"{number} of {len(missing)}: {task.scene}, {task.views} views, {task.method}, seed {task.seed}"
        )
        with Terminal(console) as terminal:
            report = measure(plan, task, device, engine, lpips, terminal)
        write_result(task.file(plan.output), task, report, plan.lpips, seeded(plan, task))
        found[task] = _found(plan, task)
    return [found[task] for task in plan.tasks]


def _found(plan: Plan, task: Task) -> dict:
    """A result that lies in the output folder, if it is of this plan."""
    path = task.file(plan.output)
    result = read_result(path)
    if result["config"] != plain(seeded(plan, task)) or result["metrics"]["lpips_net"] != plan.lpips:
        raise InputError(
            f"{path} was measured with other settings; choose another --output, or delete it to have it "
            "measured again."
        )
    return result


def measure(
    plan: Plan, task: Task, device: torch.device, engine: Engine, lpips: Distance | None, watch: Watch
) -> Report:
    """Fits the train views of a task; only then looks at its test views."""
    scene = datasets.load(plan.protocol.data(plan.data, task.scene, task.views))
    if not isinstance(scene.train, Views) or not isinstance(scene.test, Views):
        raise InputError(f"{plan.data / task.scene} gives no cameras; {task.protocol} needs them.")
    train, config, clock = scene.train.to(device), seeded(plan, task), Stopwatch(device)
    fitted = fit_views(train, config, engine, clock, watch)
    if not fitted.finished:
        # Ctrl-C: half a fit is no measurement.
        raise KeyboardInterrupt
    with clock.stage("evaluation"):
        near = near_plane(fitted.stereo)
        scores = evaluate(fitted.state.gaussians, scene.test.to(device), engine, near, lpips)
    return make_report(task.method, config, train, fitted, scores, clock, engine)


def seeded(plan: Plan, task: Task) -> MethodConfig:
    """The method's configuration with the task's seed."""
    config = plan.methods[task.method]
    return replace(config, fit=replace(config.fit, seed=task.seed))

"""Tasks measured side by side by Ray workers, each with a GPU or a share of the cores; here or on a cluster.

A worker that dies is replaced and its task begun again; the results that are there stay.
"""

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from recon.benchmark.measure import Measured, measure
from recon.benchmark.plan import Plan
from recon.benchmark.results import Task
from recon.errors import InputError, MachineError, ReconError
from recon.metrics import Distance, LpipsNet, LpipsRange, make_lpips
from recon.rendering import pick_engine

RETRIES = 3


@dataclass(frozen=True)
class Workers:
    """How many tasks run at a time, and where."""

    count: int
    address: str | None
    """Of a Ray cluster, whose machines have code and photos under the same paths; None: this machine."""
    engine: str
    """Its name: each worker makes its own."""

    @property
    def threads(self) -> int:
        """Cores a task on this machine."""
        return max(1, (os.cpu_count() or 1) // self.count)


@dataclass(frozen=True)
class Outcome:
    """What became of a task: what was measured, or what went wrong."""

    task: Task
    measured: Measured | None
    error: ReconError | None = None


def measure_side_by_side(
    plan: Plan, tasks: Sequence[Task], device: torch.device, workers: Workers
) -> Iterator[tuple[list[Task], Outcome | None]]:
    """The tasks that are running, whenever that changes, with the outcome of the one that has ended.

    Raises MachineError: no Ray, no cluster."""
    with _ray(workers) as ray:
        remote = ray.remote(_measure).options(
            num_cpus=workers.threads, num_gpus=0 if device.type == "cpu" else 1, max_retries=RETRIES
        )
        waiting, running = list(tasks), {}
        while waiting or running:
            while waiting and len(running) < workers.count:
                task = waiting.pop(0)
                running[remote.remote(plan, task, device.type, workers)] = task
            yield list(running.values()), None
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            task = running.pop(done)
            yield list(running.values()), _outcome(ray, task, done)


def _measure(plan: Plan, task: Task, device_type: str, workers: Workers) -> Measured:
    """One task, in a worker."""
    torch.set_num_threads(workers.threads)
    device = torch.device(device_type)
    net = plan.metrics.lpips_net
    lpips = None if net == "none" else _lpips(net, device, plan.metrics.lpips_range)
    engine = pick_engine(workers.engine, device)
    return measure(plan, task, device, engine, lpips, lambda event: None)


def _outcome(ray, task: Task, reference) -> Outcome:
    """Of a task that has ended, whichever way. Errors of ours travel inside one of Ray's."""
    try:
        return Outcome(task, ray.get(reference))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ReconError):
            return Outcome(task, None, error.cause)
        raise
    except ray.exceptions.RayError as error:
        lost = MachineError(
            f"The worker of {task} died {RETRIES + 1} times ({type(error).__name__}); free memory or use "
            "fewer --workers."
        )
        return Outcome(task, None, lost)


@contextmanager
def _ray(workers: Workers) -> Iterator:
    """Ray, started here or joined there, and left at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MachineError(
            "Several workers need Ray; run `pip install 'recon[bench]'`, or use --workers 1."
        ) from error
    try:
        if workers.address:
            ray.init(address=workers.address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                num_cpus=workers.threads * workers.count,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except ConnectionError as error:
        raise InputError(
            f"There is no Ray cluster at {workers.address} ({error}); start one, or drop --address."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@functools.cache
def _lpips(net: LpipsNet, device: torch.device, scale: LpipsRange) -> Distance:
    """Loaded once a worker."""
    return make_lpips(net, device, scale)

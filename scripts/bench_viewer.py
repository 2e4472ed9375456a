"""What many onlookers cost a fit, and how soon a large scene is seen.

    python scripts/bench_viewer.py                # 20 clients for a minute; 200,000 Gaussians
    python scripts/bench_viewer.py --clients 3 --seconds 5 --gaussians 20000

First: a scene of many Gaussians, one client on loopback: seconds until all of them have arrived, and bytes.
Then: a fit of the bundled photos with the viewer, alone, with all clients moving, and alone again, so that
what else the machine does cancels; the memory of the server while they move. Clients are a process of their
own, on the same machine: its cores are shared with the fit, as they would be with a browser. Ends with 1 if
a client, a thread of the server or a callback failed.
"""

import json
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import tyro
from failures import Failures

from recon import datasets
from recon.datasets import DataConfig
from recon.events import Event, FitStarted, Step
from recon.gaussians import Gaussians
from recon.methods.table import METHODS
from recon.pipeline import Stopwatch, fit_views
from recon.rendering import pick_device, pick_engine
from recon.scene import Views
from recon.viewer import ViewerScene, serve
from recon.viewer.live import LiveViewer

CLIENTS = Path(__file__).with_name("viewer_clients.py")
WARM_UP_STEPS = 50
"""The first steps are slow ones."""
SLACK_SECONDS = 5.0
"""That clients move longer than the fit is measured, so that none leaves before."""
PATIENCE_SECONDS = 300.0
"""For the clients to connect while the fit has the machine."""


@dataclass(frozen=True)
class Arguments:
    run: Path = Path("runs/demo")
    """A finished run, whose photos are fitted once more with the cameras it solved."""
    gaussians: int = 200_000
    """Of the scene that is waited for."""
    clients: int = 20
    seconds: float = 60.0
    """Of each of the three phases."""
    device: str = "auto"


def main(arguments: Arguments) -> int:
    """The exit status."""
    with Failures() as failures:
        client_errors = first_picture(arguments.gaussians) + many_clients(arguments)
    errors = client_errors + failures.lines
    print(f"errors: {'; '.join(errors) or 'none'}")
    return 1 if errors else 0


def first_picture(count: int) -> list[str]:
    """One client, a scene of `count` Gaussians; what went wrong for it."""
    viewer = serve(ViewerScene.from_gaussians(random_gaussians(count)), port=0)
    try:
        splats = len(viewer._stage.shown.splats)
        (seen,) = told(start_clients(viewer.url, clients=1, seconds=1.0, splats=splats))
    finally:
        viewer.stop()
    print(
        f"{splats:,} Gaussians on loopback: there after {seen['first_picture']:.2f} s, "
        f"{seen['first_bytes'] / splats:.1f} bytes each with all else"
    )
    return errors_of([seen])


@dataclass
class Phases:
    """A watcher: shows the fit, lets clients in and out, counts the steps of each phase."""

    arguments: Arguments
    live: LiveViewer
    rates: dict[str, float] = field(default_factory=dict)
    """Steps a second."""
    memory: list[float] = field(default_factory=list)
    """Resident megabytes, from when all clients are there to when they go."""
    clients: list[dict] = field(default_factory=list)
    steps: int = 0
    stop: threading.Event | None = None

    def __call__(self, event: Event) -> None:
        self.live(event)
        if isinstance(event, FitStarted):
            self.stop = event.stop
            threading.Thread(target=self._conduct, daemon=True).start()
        elif isinstance(event, Step):
            self.steps = event.step

    def _conduct(self) -> None:
        seconds, viewer = self.arguments.seconds, self.live._viewer
        assert viewer is not None and self.stop is not None
        while self.steps < WARM_UP_STEPS:
            time.sleep(0.1)
        self._count("alone", seconds)
        crowd = start_clients(viewer.url, self.arguments.clients, seconds + SLACK_SECONDS, 0)
        assert crowd.stdout is not None
        if crowd.stdout.readline().strip() == "ready":
            self._count("watched", seconds)
        self.clients = told(crowd)
        self._count("alone again", seconds)
        self.stop.set()

    def _count(self, phase: str, seconds: float) -> None:
        begin, before = time.perf_counter(), self.steps
        while (passed := time.perf_counter() - begin) < seconds:
            time.sleep(min(1.0, seconds - passed))
            if phase == "watched":
                self.memory.append(resident_mb())
        self.rates[phase] = (self.steps - before) / (time.perf_counter() - begin)


def many_clients(arguments: Arguments) -> list[str]:
    """The slowing of a fit, and memory; what went wrong for the clients."""
    device = pick_device(arguments.device)
    engine = pick_engine("auto", device)
    views = datasets.load(DataConfig(arguments.run, layout="nerfstudio")).train
    assert isinstance(views, Views), "a run has cameras"
    phases = Phases(arguments, LiveViewer("127.0.0.1", 0, engine))
    method = METHODS["recon"][1]
    endless = replace(method, fit=replace(method.fit, max_steps=10**6))
    fit_views(views.to(device), endless, engine, Stopwatch(device), phases)
    phases.live.close()
    report(phases)
    missing = [] if "watched" in phases.rates else ["the clients did not all come"]
    return errors_of(phases.clients) + missing


def report(phases: Phases) -> None:
    """Prints what was measured."""
    rates, clients = phases.rates, phases.clients
    for name, rate in rates.items():
        print(f"{name}: {rate:.2f} steps a second")
    if "watched" in rates:
        slowing = 1 - rates["watched"] / ((rates["alone"] + rates["alone again"]) / 2)
        print(f"{len(clients)} clients moving at once slow the fit by {100 * slowing:.0f} %")
        quarter = max(1, len(phases.memory) // 4)
        start, end = (sum(part) / len(part) for part in (phases.memory[:quarter], phases.memory[-quarter:]))
        print(f"memory: {start:.0f} MB in the first quarter of that time, {end:.0f} MB in the last")
    megabytes = sum(one["bytes"] for one in clients) / 1e6
    print(f"{megabytes:.0f} MB sent to all")


def errors_of(clients: list[dict]) -> list[str]:
    """What the clients could not do."""
    return [f"a client: {one['error']}" for one in clients if one["error"]]


def start_clients(url: str, clients: int, seconds: float, splats: int) -> subprocess.Popen[str]:
    """The process of the clients; its first line is "ready", its second what they saw."""
    options = ("--clients", str(clients), "--seconds", str(seconds), "--splats", str(splats))
    return subprocess.Popen([sys.executable, str(CLIENTS), url, *options], stdout=subprocess.PIPE, text=True)


def told(crowd: subprocess.Popen[str]) -> list[dict]:
    """What the clients saw, once they have gone."""
    out, _ = crowd.communicate(timeout=PATIENCE_SECONDS)
    return json.loads(out.splitlines()[-1])


def random_gaussians(count: int) -> Gaussians:
    """A cloud in which each one is worth drawing."""
    generator = torch.Generator().manual_seed(0)
    return Gaussians(
        means=torch.randn(count, 3, generator=generator),
        quats=torch.randn(count, 4, generator=generator),
        log_scales=torch.full((count, 3), -5.0),
        logit_opacities=torch.full((count,), 2.0),
        sh0=torch.rand(count, 1, 3, generator=generator),
        shN=torch.rand(count, 3, 3, generator=generator),
    )


def resident_mb() -> float:
    """Of this process, on Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))

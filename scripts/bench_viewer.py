"""What many onlookers cost a fit, and how soon a large scene is seen.

    python scripts/bench_viewer.py                # 20 clients for a minute, twice; 200,000 Gaussians
    python scripts/bench_viewer.py --seconds 10 --rounds 6      # where the machine's own pace drifts
    python scripts/bench_viewer.py --clients 3 --seconds 5 --gaussians 20000

First: a scene of many Gaussians, one client on loopback: seconds until all of them have arrived, and bytes.
Then: a fit of the bundled photos with the viewer, alone and with all clients moving in turns, each turn with
clients compared with those without before and after it, so that what else the machine does cancels. A step
costs the same in all turns: the fit is one of so many steps that it stays in its first part.
Beside the pace, which wants an otherwise idle machine, the processor's time that the fit's and the viewer's
threads took, which does not; and the memory of the server. Clients are a process of their own that gets what
the fit leaves, as browsers are on machines of their own. Ends with 1 if a client, a thread of the server or
a callback failed.
"""

import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

# Before torch: recon says how the threads of a fit wait for each other.
from recon import datasets  # isort: split

import torch
import tyro
from failures import Failures
from processor import viewer_and_fit_seconds

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
SETTLE_SECONDS = 5.0
"""For the last panels of the clients that have come."""
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
    """Of each turn."""
    rounds: int = 2
    """How often the clients come."""
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


@dataclass(frozen=True)
class Turn:
    """A stretch of the fit."""

    seconds: float
    steps: int
    fit_seconds: float
    """Of the processor, by the threads of the fit,"""
    viewer_seconds: float
    """and by those of the viewer."""
    memory: list[float]
    """Resident megabytes, once a second."""

    @property
    def pace(self) -> float:
        """Steps a second."""
        return self.steps / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of the processor that a step took the fit."""
        return 1000 * self.fit_seconds / max(1, self.steps)


@dataclass
class Turns:
    """A watcher: shows the fit, lets clients in and out, counts the steps of each turn."""

    arguments: Arguments
    live: LiveViewer
    alone: list[Turn] = field(default_factory=list)
    watched: list[Turn] = field(default_factory=list)
    """One between each two of the former."""
    clients: list[dict] = field(default_factory=list)
    """What each saw, all rounds' together."""
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
        assert self.live._viewer is not None and self.stop is not None
        while self.steps < WARM_UP_STEPS:
            time.sleep(0.1)
        self.alone.append(self._turn())
        for _ in range(self.arguments.rounds):
            self._let_clients_in(self.live._viewer.url)
            self.alone.append(self._turn())
        self.stop.set()

    def _let_clients_in(self, url: str) -> None:
        moving = SETTLE_SECONDS + self.arguments.seconds + SLACK_SECONDS
        crowd = start_clients(url, self.arguments.clients, moving, splats=0)
        assert crowd.stdout is not None
        if crowd.stdout.readline().strip() == "ready":
            time.sleep(SETTLE_SECONDS)
            self.watched.append(self._turn())
        self.clients += told(crowd)

    def _turn(self) -> Turn:
        begin, steps, memory = time.perf_counter(), self.steps, []
        viewer, fit = viewer_and_fit_seconds()
        while (passed := time.perf_counter() - begin) < self.arguments.seconds:
            time.sleep(min(1.0, self.arguments.seconds - passed))
            memory.append(resident_mb())
        viewer_end, fit_end = viewer_and_fit_seconds()
        return Turn(passed, self.steps - steps, fit_end - fit, viewer_end - viewer, memory)


def many_clients(arguments: Arguments) -> list[str]:
    """The slowing of a fit, and memory; what went wrong for the clients."""
    device = pick_device(arguments.device)
    engine = pick_engine("auto", device)
    views = datasets.load(DataConfig(arguments.run, layout="nerfstudio")).train
    assert isinstance(views, Views), "a run has cameras"
    turns = Turns(arguments, LiveViewer("127.0.0.1", 0, engine))
    method = METHODS["recon"][1]
    endless = replace(method, fit=replace(method.fit, max_steps=10**6))
    fit_views(views.to(device), endless, engine, Stopwatch(device), turns)
    turns.live.close()
    report(turns)
    missing = arguments.rounds - len(turns.watched)
    return errors_of(turns.clients) + [f"in {missing} rounds not all clients came"] * (missing > 0)


def report(turns: Turns) -> None:
    """Prints what was measured."""
    slowings = []
    for before, watched, after in zip(turns.alone, turns.watched, turns.alone[1:], strict=False):
        slowing = 1 - watched.pace / ((before.pace + after.pace) / 2)
        slowings.append(slowing)
        print(
            f"{100 * slowing:.0f} % slower: {before.pace:.2f} steps a second, watched {watched.pace:.2f}, "
            f"then {after.pace:.2f}"
        )
        print(
            f"  processor: the fit {before.cost:.0f} ms a step, watched {watched.cost:.0f}, then "
            f"{after.cost:.0f}; the viewer {1000 * watched.viewer_seconds / watched.seconds:.0f} ms a second"
        )
        print(
            f"  memory: {before.memory[-1]:.0f} MB, watched {min(watched.memory):.0f} to "
            f"{max(watched.memory):.0f}, then {after.memory[-1]:.0f}"
        )
    if slowings:
        print(f"{100 * statistics.median(slowings):.0f} % slower in the median of {len(slowings)} rounds")
    rounds = max(1, len(turns.watched))
    moves = sum(one["moves"] for one in turns.clients) / rounds
    megabytes = sum(one["bytes"] for one in turns.clients) / 1e6 / rounds
    print(f"a round of {turns.arguments.clients} clients: moved {moves:.0f} times, {megabytes:.0f} MB sent")


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

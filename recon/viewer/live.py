"""A running fit in the browser: the watcher that `recon train --viewer` adds."""

import logging
import threading
from pathlib import Path

import torch

from recon.events import Event, FitStarted, Step, ViewsPlaced
from recon.rendering import Engine
from recon.scene import Views
from recon.viewer.scene import ViewerScene
from recon.viewer.server import serve
from recon.viewer.viewer import Viewer

logger = logging.getLogger(__name__)


class LiveViewer:
    """Opens a viewer when the first Gaussians are there. The fit waits while it is paused in the browser:
    the time is counted as the fit's."""

    def __init__(self, host: str, port: int, engine: Engine, folder: Path | None = None) -> None:
        """`folder` is the run's; it keeps what is cropped."""
        self._folder = folder
        self._host, self._port, self._engine = host, port, engine
        self._held_out: Views | None = None
        self._viewer: Viewer | None = None
        self._last: Step | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case ViewsPlaced(_, held_out):
                self._held_out = held_out
            case FitStarted(views, gaussians, near, stop):
                later_threads_on_one_core()
                scene = ViewerScene.from_views(gaussians, views, self._held_out, near, self._folder)
                self._viewer = serve(scene, self._host, self._port, self._engine)
                self._viewer.train(stop)
                logger.info("Watch it at %s", self._viewer.url)
            case Step() if self._viewer is not None:
                self._last = event
                self._viewer.follow(event)

    def wait(self) -> None:
        """Until Ctrl-C."""
        if self._viewer is None:
            return
        if self._last is not None and self._last.step < self._last.max_steps:
            self._viewer.finish(self._last)
        logger.info("Still showing it at %s; Ctrl-C ends.", self._viewer.url)
        self._viewer.wait()

    def close(self) -> None:
        """Nobody looks on any more."""
        if self._viewer is not None:
            self._viewer.stop()


def later_threads_on_one_core() -> None:
    """Threads that start from now on compute on one core each; the calling one, a fit's, keeps its own.

    Otherwise each of the viewer's threads gets helpers on all cores with its first tensor, and the fit, whose
    own two halves wait for each other thousands of times a second, waits for theirs as well."""
    torch.get_num_threads()  # a thread takes over what holds when it first asks
    thread = threading.Thread(target=torch.set_num_threads, args=(1,))
    thread.start()
    thread.join()

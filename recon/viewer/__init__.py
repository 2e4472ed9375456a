"""Looking at a scene in a browser: `serve` for one in memory, live during a fit; `view` for one on disk."""

import logging
from pathlib import Path

import torch

from recon.rendering import Engine
from recon.viewer.run import load_scene
from recon.viewer.scene import ViewerScene
from recon.viewer.server import serve
from recon.viewer.viewer import Viewer

__all__ = ["Viewer", "ViewerScene", "load_scene", "serve", "view"]

logger = logging.getLogger(__name__)


def view(
    path: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    device: torch.device | str = "cpu",
    engine: Engine | None = None,
) -> None:
    """Show a run's folder or a PLY in the browser until Ctrl-C; the address is logged. `engine` draws on
    `device` what the browser does not.

    Raises InputError for a path that holds no scene and for a bad address, MachineError if no port is free.
    """
    viewer = serve(load_scene(path, device), host, port, engine)
    logger.info("Open %s in a browser; Ctrl-C ends.", viewer.url)
    viewer.wait()

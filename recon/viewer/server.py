"""Opening a viewer: the address it listens at, and who may come in."""

import logging

import viser

from recon.errors import InputError
from recon.rendering import Engine
from recon.viewer.address import LOOPBACK, free_port
from recon.viewer.door import Door, guarding
from recon.viewer.scene import ViewerScene
from recon.viewer.viewer import Viewer, quiet

logger = logging.getLogger(__name__)


def serve(
    scene: ViewerScene, host: str = "127.0.0.1", port: int = 8080, engine: Engine | None = None
) -> Viewer:
    """Start a viewer; `url` of the result tells where, as a taken port makes way for the next free one. With
    an engine for the Gaussians' device, pictures are also drawn here, and support is known.

    Raises InputError for a host or port that does not exist, MachineError if no port is free.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port} is no port; choose one from 1024 to 65535, or 0 for any.")
    if len(scene.gaussians) == 0:
        raise InputError("The scene holds no Gaussians; there is nothing to view.")
    free = free_port(host, port)
    if free != port and port:
        logger.warning("Port %d is taken; the viewer uses %d.", port, free)
    if host not in LOOPBACK:
        logger.warning(
            "--host %s: whoever can reach this machine and has the address with its token sees and controls "
            "the viewer; the connection is not encrypted.",
            host,
        )
    door = Door.of(host, free)
    with quiet(), guarding(door):
        server = viser.ViserServer(host=host, port=free, verbose=False)
    return Viewer(scene, server, engine, door.token)

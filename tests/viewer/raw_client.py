"""A client that speaks viser's protocol over a plain WebSocket, for what no browser would send."""

import msgspec
import viser
from websockets.sync.client import ClientConnection, connect

from recon.viewer import Viewer


def connect_raw(viewer: Viewer) -> ClientConnection:
    """As the viewer's own page does; nothing is read yet."""
    port = viewer._server.get_port()
    return connect(
        f"ws://127.0.0.1:{port}",
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
        max_size=None,
        compression=None,
        open_timeout=20,
    )


def send(connection: ClientConnection, kind: str, **values: object) -> None:
    """One message."""
    connection.send(msgspec.msgpack.encode({"type": kind, **values}))


def is_served(viewer: Viewer) -> bool:
    """Whether a new client gets the scene."""
    with connect_raw(viewer) as connection:
        return len(connection.recv(timeout=20)) > 16

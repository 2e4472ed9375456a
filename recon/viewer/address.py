"""Where a server may listen."""

import socket

from recon.errors import InputError, MachineError

PORTS_TRIED = 20
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def free_port(host: str, port: int) -> int:
    """The first port from `port` on that can be listened to; for 0, any that the system gives."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host} is unknown ({error.strerror}); use 127.0.0.1.") from error
    reason = ""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address[0], candidate))
                return probe.getsockname()[1]
            except OSError as error:
                reason = error.strerror
    raise MachineError(f"No port from {port} on can be opened on {host} ({reason}); choose another --port.")

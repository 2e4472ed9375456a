"""Who may talk to the viewer.

Any page that a person has open can send requests to 127.0.0.1, and a name that points there gets past the
browser's rules (DNS rebinding). So a request must name a host that we serve, a WebSocket must come from our
own page, and where others can reach the port they need the address with its token. viser checks none of
these (1.1.1); the checks stand before its own, in the one place where it accepts connections.
"""

import contextlib
import hmac
import http
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from recon.viewer.address import LOOPBACK

EVERYWHERE = ("0.0.0.0", "::", "")
"""Hosts that stand for all addresses of the machine: by which name it is reached is not known."""
TOKEN_BYTES = 24
_patching = threading.Lock()


@dataclass(frozen=True)
class Door:
    """The rules for one server."""

    host: str
    port: int
    token: str | None
    """What the address must hold, once; then a cookie does. None on loopback."""

    @staticmethod
    def of(host: str, port: int) -> "Door":
        """With a new token where others than this machine can come."""
        return Door(host, port, None if host in LOOPBACK else secrets.token_urlsafe(TOKEN_BYTES))

    @property
    def cookie(self) -> str:
        """Its name: browsers share cookies between the ports of a machine."""
        return f"recon_{self.port}"

    def refusal(self, path: str, headers: Headers) -> tuple[http.HTTPStatus, str] | None:
        """Why a request is turned away; None if it may come in."""
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) != 1 or not self._serves(hosts[0]):
            return http.HTTPStatus.FORBIDDEN, "This address is not one that the viewer serves."
        if headers.get_all("Upgrade") and (len(origins) != 1 or not _same_origin(origins[0], hosts[0])):
            return http.HTTPStatus.FORBIDDEN, "Only the viewer's own page may connect."
        if self.token is not None and not self._knows_token(path, headers):
            return http.HTTPStatus.UNAUTHORIZED, "Open the address that recon printed, with its token."
        return None

    def brings_token(self, path: str) -> bool:
        """Whether the address holds the right token."""
        given = parse_qs(urlsplit(path).query).get("token", [])
        return self.token is not None and len(given) == 1 and _equal(given[0], self.token)

    def _knows_token(self, path: str, headers: Headers) -> bool:
        if self.brings_token(path):
            return True
        for line in headers.get_all("Cookie"):
            with contextlib.suppress(CookieError):
                morsel = SimpleCookie(line).get(self.cookie)
                if morsel is not None and _equal(morsel.value, self.token or ""):
                    return True
        return False

    def _serves(self, host: str) -> bool:
        if self.host in EVERYWHERE:
            return True
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in LOOPBACK if self.host in LOOPBACK else name == self.host.lower()


@contextlib.contextmanager
def guarding(door: Door) -> Iterator[None]:
    """viser servers that are started within let nobody in but by this door."""
    module = websockets.asyncio.server
    original = module.serve

    def serve(*args, process_request, **kwargs):
        def checked(connection: ServerConnection, request: Request) -> Response | None:
            refused = door.refusal(request.path, request.headers)
            if refused is not None:
                return connection.respond(refused[0], refused[1] + "\n")
            response = process_request(connection, request)
            if response is not None:
                # A foreign page may not lay the viewer under its own buttons.
                response.headers["Content-Security-Policy"] = "frame-ancestors 'self'"
            if response is not None and door.brings_token(request.path):
                cookie = f"{door.cookie}={door.token}; Path=/; HttpOnly; SameSite=Strict"
                response.headers["Set-Cookie"] = cookie
            return response

        return original(*args, process_request=checked, **kwargs)

    with _patching:
        module.serve = serve
        try:
            yield
        finally:
            module.serve = original


def _same_origin(origin: str, host: str) -> bool:
    """Whether a page from `origin` was served by this `Host`, by us or by a proxy that speaks TLS for us."""
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _equal(given: str, expected: str) -> bool:
    """Takes the same time wherever they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())

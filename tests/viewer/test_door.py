"""Who gets in: hosts, origins and tokens, over raw sockets."""

import logging
import socket
from collections.abc import Iterator

import pytest
from two_colours import two_coloured_wall

from recon.viewer import Viewer, ViewerScene, serve
from recon.viewer.door import Door


def ask(port: int, *headers: str, path: str = "/", method: str = "GET") -> str:
    """The whole head of the answer to a request with just these headers."""
    request = "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return answer.split(b"\r\n\r\n")[0].decode("latin-1")


def status(answer: str) -> int:
    return int(answer.split()[1]) if answer else 0


def handshake(host: str, *origin: str) -> tuple[str, ...]:
    key = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
    origins = tuple(f"Origin: {value}" for value in origin)
    return (f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", *key, *origins)


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    viewer = serve(ViewerScene.from_views(*two_coloured_wall()), port=0)
    yield viewer
    viewer.stop()


@pytest.fixture(scope="module")
def open_viewer() -> Iterator[Viewer]:
    viewer = serve(ViewerScene.from_views(*two_coloured_wall()), host="0.0.0.0", port=0)
    yield viewer
    viewer.stop()


def port_of(viewer: Viewer) -> int:
    return viewer._server.get_port()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_gets_in_by_its_own_names(viewer: Viewer, name: str):
    host = f"{name}:{port_of(viewer)}"
    assert status(ask(port_of(viewer), f"Host: {host}")) == 200
    assert status(ask(port_of(viewer), *handshake(host, f"http://{host}"))) == 101


@pytest.mark.parametrize(
    "headers",
    [("Host: evil.example",), (), ("Host: [",), ("Host: ",), ("Host: 127.0.0.1.evil.example",)],
    ids=str,
)
def test_a_foreign_host_is_turned_away(viewer: Viewer, headers: tuple[str, ...]):
    assert status(ask(port_of(viewer), *headers)) == 403
    upgrade = [header for header in handshake("x", "http://x") if not header.startswith("Host")]
    assert status(ask(port_of(viewer), *headers, *upgrade)) == 403


@pytest.mark.parametrize(
    "origins",
    [
        ("http://evil.example",),
        (),
        ("null",),
        ("http://127.0.0.1:1",),
        ("http://127.0.0.1:{port}.evil.example",),
        ("http://127.0.0.1:{port}", "http://evil.example"),
    ],
    ids=str,
)
def test_a_foreign_page_cannot_connect(viewer: Viewer, origins: tuple[str, ...]):
    port = port_of(viewer)
    given = [origin.format(port=port) for origin in origins]
    assert status(ask(port, *handshake(f"127.0.0.1:{port}", *given))) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_no_other_method_than_get_is_answered(viewer: Viewer, method: str):
    assert status(ask(port_of(viewer), f"Host: 127.0.0.1:{port_of(viewer)}", method=method)) != 200


def test_an_open_port_asks_for_the_token_and_then_for_the_cookie(open_viewer: Viewer):
    port = port_of(open_viewer)
    host = f"192.0.2.7:{port}"
    address, token = open_viewer.url.split("/?token=")
    assert len(token) >= 32
    for path in ("/", "/?token=", "/?token=wrong", f"/?token={token}x", f"/?token={token}&token=x"):
        assert status(ask(port, f"Host: {host}", path=path)) == 401
    answer = ask(port, f"Host: {host}", path=f"/?token={token}")
    assert status(answer) == 200
    (cookie,) = [line for line in answer.splitlines() if line.startswith("Set-Cookie: ")]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    own = cookie.removeprefix("Set-Cookie: ").split(";")[0]
    assert status(ask(port, f"Host: {host}", f"Cookie: {own}")) == 200
    connect = handshake(host, f"http://{host}")
    assert status(ask(port, *connect)) == 401
    assert status(ask(port, *connect, f"Cookie: {own[:-1]}")) == 401
    assert status(ask(port, *connect, f"Cookie: a=b; {own}")) == 101


def test_an_open_host_is_warned_of_without_the_token(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        viewer = serve(ViewerScene.from_views(*two_coloured_wall()), host="0.0.0.0", port=0)
    viewer.stop()
    assert "--host 0.0.0.0" in caplog.text and "not encrypted" in caplog.text
    assert viewer.url.split("token=")[1] not in caplog.text


def test_a_named_host_is_the_only_one(viewer: Viewer):
    door = Door.of("192.0.2.7", 80)
    assert door.token and door._serves("192.0.2.7:80") and not door._serves("127.0.0.1")
    assert Door.of("127.0.0.1", 80).token is None
    assert Door.of("0.0.0.0", 80).token != Door.of("0.0.0.0", 80).token


def test_two_hosts_are_no_host(viewer: Viewer):
    assert status(ask(port_of(viewer), "Host: 127.0.0.1", "Host: evil.example")) >= 400


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/..%5csecret", "//etc/passwd", "/./.."])
def test_no_file_but_the_page_is_served(viewer: Viewer, path: str):
    answer = ask(port_of(viewer), f"Host: 127.0.0.1:{port_of(viewer)}", path=path)
    assert status(answer) != 200

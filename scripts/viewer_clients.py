"""Browsers without a browser: they speak viser's protocol over WebSockets, and count what they are sent.

Meant to run in a process of its own, as browsers do: `python scripts/viewer_clients.py URL --clients 20`.
"""

import asyncio
import contextlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass

import msgspec.msgpack
import tyro
import viser
import websockets
import zstandard
from websockets.asyncio.client import ClientConnection, connect

HERTZ = 20
"""Camera messages a second of a browser in motion."""
MOVE_SECONDS, REST_SECONDS = 2.0, 1.0
"""A person turns the scene, and looks: at rest a window asks for colours of its own."""
WINDOW = (1280, 800)
NICENESS = 10
"""They get what the server leaves of the processor: browsers have machines of their own."""


@dataclass
class Seen:
    """What one client got."""

    bytes: int = 0
    messages: int = 0
    moves: int = 0
    """Messages that it sent of where its eye is."""
    first_picture: float | None = None
    """Seconds from connecting until the scene's Gaussians had all arrived."""
    first_bytes: int = 0
    """All that had arrived by then."""
    error: str | None = None


@dataclass(frozen=True)
class Arguments:
    url: tyro.conf.Positional[str]
    """The viewer's address, http://..."""
    clients: int = 20
    seconds: float = 60.0
    """How long they move."""
    splats: int = 0
    """Gaussians that make a first picture; 0: any."""


async def main(arguments: Arguments) -> list[Seen]:
    """All clients at once; a line "ready" on stdout once each is connected and has its first picture."""
    seen = [Seen() for _ in range(arguments.clients)]
    ready = [asyncio.Event() for _ in seen]
    crowd = [
        asyncio.create_task(one_client(arguments, number, seen[number], ready[number]))
        for number in range(arguments.clients)
    ]
    everybody = asyncio.gather(*(event.wait() for event in ready))
    await asyncio.wait([everybody, *crowd], return_when=asyncio.FIRST_COMPLETED)
    print("ready", flush=True)
    await asyncio.gather(*crowd)
    everybody.cancel()
    return seen


async def one_client(arguments: Arguments, number: int, seen: Seen, ready: asyncio.Event) -> None:
    """Connects, receives, and moves in turns for `seconds`; whatever ends it before is an error."""
    begin = time.perf_counter()
    try:
        async with connect(
            arguments.url.replace("http", "ws", 1),
            origin=arguments.url,  # type: ignore[arg-type]
            subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            max_size=None,
        ) as socket:
            await socket.send(camera_message(0.0))
            receiving = asyncio.create_task(receive(socket, arguments.splats, begin, seen, ready))
            moving = asyncio.create_task(move(socket, ready, number, arguments.seconds, seen))
            done, _ = await asyncio.wait([receiving, moving], return_when=asyncio.FIRST_COMPLETED)
            receiving.cancel()
            moving.cancel()
            for task in done:
                task.result()
    except (OSError, TimeoutError, websockets.WebSocketException) as error:
        seen.error = repr(error)
    if seen.first_picture is None and seen.error is None:
        seen.error = "no picture came"


async def receive(
    socket: ClientConnection, splats: int, begin: float, seen: Seen, ready: asyncio.Event
) -> None:
    """Counts, until it is cancelled."""
    while True:
        window = await socket.recv()
        assert isinstance(window, bytes), "viser sends no text"
        seen.bytes += len(window)
        seen.messages += 1
        if seen.first_picture is None and gaussians_in(window) > 0.9 * splats:
            seen.first_picture, seen.first_bytes = time.perf_counter() - begin, seen.bytes
            ready.set()


async def move(
    socket: ClientConnection, ready: asyncio.Event, number: int, seconds: float, seen: Seen
) -> None:
    """Round the scene, each client at another place, with rests."""
    await ready.wait()
    begin = time.perf_counter()
    while (now := time.perf_counter() - begin) < seconds:
        if (now + 0.15 * number) % (MOVE_SECONDS + REST_SECONDS) < MOVE_SECONDS:
            await socket.send(camera_message(now + number))
            seen.moves += 1
        await asyncio.sleep(1 / HERTZ)


def camera_message(angle: float) -> bytes:
    """An eye on a circle of display units round the origin, as viser's page tells it."""
    x, z = 2.0 * math.sin(angle), 2.0 * math.cos(angle)
    message = {
        "type": "ViewerCameraMessage",
        "wxyz": (math.cos(angle / 2), 0.0, math.sin(angle / 2), 0.0),
        "position": (x, 0.0, z),
        "fov": 0.8,
        "near": 0.01,
        "far": 1000.0,
        "image_height": WINDOW[1],
        "image_width": WINDOW[0],
        "look_at": (0.0, 0.0, 10.0),
        "up_direction": (0.0, -1.0, 0.0),
    }
    return msgspec.msgpack.encode(message)


def gaussians_in(window: bytes) -> int:
    """How many Gaussians a message of the server brings. viser's is msgpack packed by zstd, behind two
    lengths of eight bytes and before the arrays."""
    length = int.from_bytes(window[8:16], "little")
    content = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(window[16 : 16 + length]))
    brought = any("GaussianSplats" in message["type"] for message in content["messages"])
    return max(content["binaryBufferLengths"], default=0) // 32 if brought else 0


if __name__ == "__main__":
    os.nice(NICENESS)
    with contextlib.suppress(KeyboardInterrupt):
        print(json.dumps([asdict(one) for one in asyncio.run(main(tyro.cli(Arguments)))]))

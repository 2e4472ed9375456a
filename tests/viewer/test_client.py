"""One window: how often what follows from its eye is done, and what is sent for its colours."""

import asyncio
from collections.abc import Iterator
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import viser
from two_colours import two_coloured_wall

from recon.viewer import Viewer, ViewerScene, serve
from recon.viewer.client import LOOK_SECONDS, Client
from recon.viewer.painter import Painter


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    gaussians, views = two_coloured_wall()
    viewer = serve(ViewerScene.from_views(gaussians, views), port=0)
    yield viewer
    viewer.stop()


@pytest.fixture
def client(viewer: Viewer) -> Client:
    camera = Mock(
        aspect=1.5, position=np.zeros(3), look_at=np.ones(3), wxyz=np.array([1.0, 0, 0, 0]), fov=1.0
    )
    camera.image_width, camera.image_height = 96, 72
    handle = Mock(spec=viser.ClientHandle, camera=camera, scene=Mock())
    return Client(handle, viewer._stage, Mock(spec=Painter))


def test_an_eye_in_motion_is_followed_a_few_times_a_second_and_to_its_last_place(client: Client):
    camera, seen = client.handle.camera, []
    client.on_look.append(lambda: seen.append(float(camera.position[0])))
    messages = 30

    async def move() -> None:
        for number in range(1, messages + 1):
            camera.position = np.array([number, 0.0, 0.0])
            await client._moved(camera)
            await asyncio.sleep(0.01)
        await asyncio.sleep(2 * LOOK_SECONDS)

    asyncio.run(move())
    assert seen and seen[-1] == messages
    assert len(seen) < messages / 3


def test_a_photos_place_is_known_when_the_eye_has_come_there(client: Client):
    place = client.stage.standpoints[2]
    client.handle.camera.position, client.handle.camera.look_at = place.position, place.look_at
    client.look()
    assert client.standing == 2


def test_colours_alone_change_while_the_gaussians_stay(client: Client):
    """Covariances are packed once for each moment: packing them holds up all other threads."""
    gaussians, _ = two_coloured_wall()
    client.wish.mode = "Opacity"
    client.refresh()
    client._paint_splats(client.stage.shown)
    own = client.handle.scene.add_gaussian_splats.return_value
    own.visible = True
    client.wish.mode = "Normal"
    client.refresh()
    client._paint_splats(client.stage.shown)
    own.set_gaussians.assert_not_called()
    normal = client.stage.paint("Normal", client.stage.shown, client.eye(), len(gaussians)).rgb
    np.testing.assert_array_equal(own.rgbs, normal.numpy())

    half = gaussians.select(torch.arange(len(gaussians)) % 2 == 0)
    client.stage.show(half)
    client.refresh()
    client._paint_splats(client.stage.shown)
    (means, *_), _ = own.set_gaussians.call_args
    assert len(means) == len(half)

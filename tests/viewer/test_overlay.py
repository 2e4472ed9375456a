"""A photo over the picture of a window of another shape."""

import torch

from recon.geometry import pixel_centres
from recon.scene import Cameras
from recon.viewer.overlay import lay_over

K_PHOTO = torch.tensor([[20.0, 0, 11], [0, 25.0, 7], [0, 0, 1]])
"""Neither square pixels nor the axis in the middle."""


def window(width: int, height: int, focal: float) -> Cameras:
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Cameras(torch.eye(4)[None], K[None], ((width, height),))


def ramp(K: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """The tangents of every pixel's ray as colours: one world, whoever looks at it."""
    uv = pixel_centres(height, width, like=K)
    tangents = (uv - K[:2, 2]) / K.diagonal()[:2]
    return torch.cat([0.5 + 0.4 * tangents, torch.zeros_like(tangents[..., :1])], dim=-1)


def test_the_photo_lies_on_what_it_shows():
    eye = window(60, 30, 40.0)
    world, photo = ramp(eye.Ks[0], 60, 30), ramp(K_PHOTO, 20, 16)
    torch.testing.assert_close(lay_over(world, eye, photo, K_PHOTO, 1.0), world, atol=0.012, rtol=0)


def test_the_share_mixes_and_leaves_the_rest_alone():
    eye = window(60, 30, 10.0)
    grey, photo = torch.full((30, 60, 3), 0.5), torch.ones(16, 20, 3)
    mixed = lay_over(grey, eye, photo, K_PHOTO, 0.25)
    assert mixed[15, 30, 0] == 0.625
    assert mixed[0, 0, 0] == 0.5 and mixed[-1, -1, 0] == 0.5
    torch.testing.assert_close(lay_over(grey, eye, photo, K_PHOTO, 0.0), grey)

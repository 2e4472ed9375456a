"""What differs between photos of one place: exposure, white balance, gamma, vignette, blur, noise."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from worlds.fields import uniform

BLURRED = 0.2
"""Share of photos that are out of focus."""


def photographed(images: Float[Tensor, "b 3 h w"], generator: Generator) -> Float[Tensor, "b 3 h w"]:
    """Each picture as a camera of its own would give it, in [0, 1] and in steps of 1/255. Half of the
    pictures keep their exposure, white balance and gamma: photos of one set often share them."""
    count = len(images)
    varied = (uniform((count, 1, 1, 1), generator) < 0.5).float()
    exposure = 2 ** (varied * uniform((count, 1, 1, 1), generator, -0.5, 0.5))
    balance = 1 + varied * uniform((count, 3, 1, 1), generator, -0.08, 0.08)
    gamma = 2 ** (varied * uniform((count, 1, 1, 1), generator, -0.45, 0.45))
    images = (images * exposure * balance).clamp(1e-4, 1) ** gamma
    images = _blurred(images, generator) * _vignette(images, generator)
    strength = uniform((count, 1, 1, 1), generator) ** 2 * 0.03
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    # Poisson and reading noise together: the variance grows with the light.
    images = images + strength * (0.3 + images.sqrt()) * noise
    return (images.clamp(0, 1) * 255).round() / 255


def _blurred(images: Float[Tensor, "b 3 h w"], generator: Generator) -> Float[Tensor, "b 3 h w"]:
    """Some of the pictures under a Gaussian of up to 1.2 pixels."""
    count, _, height, width = images.shape
    wide = uniform((count, 1), generator, 0.4, 1.2)
    wide = torch.where(uniform((count, 1), generator) < BLURRED, wide, 0.05)
    kernel = torch.exp(-0.5 * (torch.arange(-3, 4, device=images.device) / wide) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, dim=0)
    stack = F.pad(images.reshape(1, count * 3, height, width), (3, 3, 3, 3), mode="replicate")
    stack = F.conv2d(stack, kernel[:, None, None, :], groups=count * 3)
    return F.conv2d(stack, kernel[:, None, :, None], groups=count * 3).reshape(images.shape)


def _vignette(images: Float[Tensor, "b 3 h w"], generator: Generator) -> Float[Tensor, "b 1 h w"]:
    """Corners darker by up to a fifth."""
    height, width = images.shape[-2:]
    y = torch.linspace(-1, 1, height, device=images.device)[:, None]
    x = torch.linspace(-1, 1, width, device=images.device)
    depth = 0.2 * uniform((len(images), 1, 1, 1), generator) ** 2
    return 1 - depth * (x**2 + y**2) / 2


def disturbed(
    camera_from_world: Float[Tensor, "b 4 4"],
    Ks: Float[Tensor, "b 3 3"],
    share: Float[Tensor, " b"],
    generator: Generator,
) -> tuple[Float[Tensor, "b 4 4"], Float[Tensor, "b 3 3"]]:
    """Cameras as structure from motion solves them: turned by up to 0.2 degrees and focal lengths wrong by up
    to 0.5 %, both times `share`."""
    count = len(Ks)
    turn = uniform((count, 3), generator, -1.0, 1.0) * (share * math.radians(0.2) / math.sqrt(3))[:, None]
    x, y, z = turn.unbind(-1)
    zero = torch.zeros_like(x)
    # To first order, which for a fifth of a degree is within 1e-5 of a rotation.
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(count, 3, 3)
    poses = camera_from_world.clone()
    poses[:, :3] = camera_from_world[:, :3] + (skew[..., None] * camera_from_world[:, None, :3]).sum(2)
    focal = 1 + share * uniform((count,), generator, -0.005, 0.005)
    wrong = Ks.clone()
    wrong[:, 0, 0], wrong[:, 1, 1] = Ks[:, 0, 0] * focal, Ks[:, 1, 1] * focal
    return poses, wrong

"""From noise to pictures along straight lines (rectified flow: Liu et al., ICLR 2023; Lipman et al., ICLR
2023), for a network that knows what is seen.

In between lies `(1 - t) picture + t noise`. At t = 1 the network sees no more than noise, so that the best it
can say is the mean of all pictures that fit; a few steps from there give one of them.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from recon.methods.repair.diffusion_pipelines import package
from recon.methods.repair.painter import Painter

MEANS = 0.5
"""Share of the samples of a training that are all noise: the mean is asked for most."""
LEAST_NOISE = 0.2
"""Least share of noise in the others; four steps begin at a quarter or more."""
SEEN = 0.02
"""What pixels count in training that are seen: they will be copied through."""


def flow_loss(
    painter: Painter,
    pictures: Float[Tensor, "b 3 h w"],
    seen: Float[Tensor, "b 3 h w"],
    unseen: Float[Tensor, "b 1 h w"],
    generator: Generator,
) -> Float[Tensor, ""]:
    """Mean square error of the clean picture over the share of noise, most where nothing is seen: between
    an error that counts alike at every share and that of the velocity, which would drown the mean. Pictures
    in [0, 1]; `seen` are those that the network is shown."""
    b, device = len(pictures), pictures.device
    truth = 2 * pictures - 1
    share = LEAST_NOISE + (1 - LEAST_NOISE) * torch.rand(b, generator=generator, device=device)
    share = torch.where(torch.rand(b, generator=generator, device=device) < MEANS, 1.0, share)
    noise = torch.randn(truth.shape, generator=generator, device=device)
    t = share[:, None, None, None]
    said = painter((1 - t) * truth + t * noise, 2 * seen - 1, unseen, share)
    weight = unseen + SEEN
    return (weight / t * (said - truth) ** 2).sum() / (3 * weight.sum())


@torch.no_grad()
def painted(
    painter: Painter,
    rgb: Float[Tensor, "3 h w"],
    unseen: Float[Tensor, "1 h w"],
    generator: Generator,
    steps: int,
    strength: float = 1.0,
) -> Float[Tensor, "3 h w"]:
    """The picture in [0, 1], with something where nothing was seen: the mean of what fits with one step, one
    of it with more. With a strength below 1, `rgb` counts there, too: noise of that share is put over it.

    Sides are multiples of `painter.multiple`; random numbers are drawn where the generator is."""
    scheduler = package("diffusers").FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[strength * (1 - n / steps) for n in range(steps)], device=rgb.device)
    start, told, hole = 2 * rgb[None] - 1, 2 * rgb[None] - 1, unseen[None]
    noise = torch.randn(start.shape, generator=generator, device=generator.device).to(start)
    x = strength * noise + (1 - strength) * start
    for t, share in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        with torch.autocast(rgb.device.type, torch.bfloat16, enabled=rgb.device.type != "cpu"):
            clean = painter(x, told, hole, share.expand(1)).float()
        clean = torch.where(hole > 0, clean, told)
        x = scheduler.step((x - clean) / share, t, x).prev_sample
    return (0.5 * x[0] + 0.5).clamp(0, 1)

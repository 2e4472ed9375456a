"""Gaussians and optimisers' moments that carry their number, to see whether both stay together."""

import torch
from torch import Tensor

from recon.densify import Optimisers
from recon.gaussians import Gaussians
from recon.rendering import Rendering
from recon.trainer import RatesConfig, make_optimisers

COUNT = 12


def make_gaussians() -> Gaussians:
    """Each Gaussian carries its number in all of its values."""
    numbers = torch.arange(COUNT, dtype=torch.float32)

    def numbered(*shape: int) -> Tensor:
        return numbers.view(-1, *[1] * len(shape)).repeat(1, *shape) / 10 + 0.1

    return Gaussians(
        numbered(3), numbered(4), numbered(3), numbered()[:, None][:, 0], numbered(1, 3), numbered(3, 3)
    )


def with_moments(gaussians: Gaussians) -> Optimisers:
    """Optimisers after one step, whose moments tell the number of their Gaussian too: the gradient of number
    i is i + 1 everywhere. The step leaves the values in their order."""
    optimisers = make_optimisers(gaussians, RatesConfig())
    for name, parameter in gaussians.named_parameters():
        grad = torch.arange(1, COUNT + 1, dtype=torch.float32).view(-1, *[1] * (parameter.ndim - 1))
        parameter.grad = grad.expand_as(parameter).clone()
        optimisers[name].step()
        optimisers[name].zero_grad(set_to_none=True)
    return optimisers


def moments(gaussians: Gaussians, optimisers: Optimisers, key: str) -> dict[str, Tensor]:
    return {name: optimisers[name].state[p][key] for name, p in gaussians.named_parameters()}


def drawn(gaussians: Gaussians, gradient: float = 0.0) -> Rendering:
    """A rendering in which all Gaussians were drawn, each with `gradient` on its place in the picture."""
    count = len(gaussians)
    means2d = torch.zeros(count, 2, requires_grad=True)
    (means2d.sum() * gradient).backward()
    picture = torch.zeros(8, 10)
    return Rendering(
        picture[..., None].repeat(1, 1, 3), picture, picture, means2d, torch.ones(count, 2, dtype=torch.int32)
    )


def check_aligned(gaussians: Gaussians, optimisers: Optimisers) -> None:
    for name, parameter in gaussians.named_parameters():
        assert isinstance(parameter, torch.nn.Parameter) and parameter.requires_grad, name
        (group,) = optimisers[name].param_groups
        assert group["params"][0] is parameter, name
        assert set(optimisers[name].state) == {parameter}, name
        for key in ("exp_avg", "exp_avg_sq"):
            assert optimisers[name].state[parameter][key].shape == parameter.shape, name

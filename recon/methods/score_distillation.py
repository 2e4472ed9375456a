"""Score distillation where no photo sees (DreamFusion, ICLR 2023; DP-Recon, CVPR 2025).

Noise is put over a picture of the scene from between or beside the photos, and a diffusion model says which
noise it sees. What it sees beyond the noise that was put there is what it would change: equation 3 of
DreamFusion (Poole et al.), `w(t) (eps_hat - eps)`, with w(t) = 1 - alpha_bar(t), the variance of the noise.
It goes back through the autoencoder's encoder; the Jacobian of the model itself is left out.

DP-Recon (Ni et al.) weighs that by how visible a pixel is to the photos: for colours, its code takes 0 where
visibility is at least a half, and 1 below. Here visibility is a count of photos whose stereo surface does not
hide the pixel's point. SparseGS (Xiong et al., 2023) distils into Gaussians too, without such weights.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.geometry import inside, project, sample, unproject
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.pseudo_views import pose_between
from recon.methods.regulariser import Moment, Regulariser
from recon.methods.repair.warps import counts_at, surface
from recon.scene import Views


@dataclass(frozen=True)
class ScoreDistillationConfig:
    """Loss that follows a diffusion model (--repairing.diffusion.model) in pixels that no photo sees."""

    weight: float = 0.0
    """0 switches the loss off. It never ran with real weights: there is no value that is known to be good."""
    every: int = 10
    """Steps between two uses, for each asks the model once; the weight grows by the same factor."""
    start: float = 0.5
    """Share of the fit before the loss begins: there must be a picture to change."""
    end: float = 0.9
    """Share of the fit after which only the photos are fitted."""
    outside: float = 0.4
    """How far beyond two photos the camera may lie, as a share of the way from one to the other."""
    photos: int = 1
    """Photos that must see a pixel for it to be left alone. With fewer its weight is the share that lacks."""
    tolerance: float = 0.05
    """A photo's stereo surface hides what lies further behind it than this share of the surface's depth."""


@runtime_checkable  # the shape checks of the tests ask for it
class Score(Protocol):
    """What a diffusion model would change in a picture."""

    def __call__(
        self, rgb: Float[Tensor, "h w 3"], lack: Float[Tensor, "h w"], generator: torch.Generator
    ) -> Float[Tensor, "h w 3"]:
        """The gradient of a loss in the picture, weighed by `lack`; 0 where that is 0."""
        ...


@dataclass(frozen=True)
class ScoreDistillation(Regulariser):
    config: ScoreDistillationConfig
    partners: tuple[int, ...]
    """For each train view the one towards and beyond which the cameras lie."""
    score: Score

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        config = self.config
        if not config.start <= moment.progress < config.end or moment.step % config.every:
            return None
        pose = self._pose(moment)
        drawn = moment.render_from(pose)
        with torch.no_grad():
            depth = surface(drawn)
            K = moment.views.cameras.Ks[moment.index]
            count = photos_that_see(
                depth, K, torch.linalg.inv(pose), moment.views, moment.stereo, config.tolerance
            )
            lack = (1 - count / config.photos).clamp_min(0)
        gradient = self.score(drawn.rgb.detach(), lack, moment.generator)
        return config.weight * config.every * distillation_loss(drawn.rgb, gradient)

    def _pose(self, moment: Moment) -> Float[Tensor, "4 4"]:
        """camera_from_world on the line from the fitted photo to its partner, and a little beyond both."""
        first, second = moment.views.cameras.camera_from_world[[moment.index, self.partners[moment.index]]]
        chance = torch.rand((), generator=moment.generator, device=moment.generator.device)
        return pose_between(first, second, chance * (1 + 2 * self.config.outside) - self.config.outside)


def photos_that_see(
    depth: Float[Tensor, "h w"],
    K: Float[Tensor, "3 3"],
    world_from_camera: Float[Tensor, "4 4"],
    views: Views,
    stereo: StereoPrior,
    tolerance: float,
) -> Int[Tensor, "h w"]:
    """How many photos see the point of each pixel of a camera that sees `depth` (z-depth, world units; 0: no
    surface, which nobody sees): it lies in them, where they count, and no stereo surface hides it."""
    xyz = unproject(depth, K, world_from_camera)
    count = torch.zeros_like(depth, dtype=torch.int64)
    for index, (size, own) in enumerate(zip(views.sizes, stereo.depths, strict=True)):
        uv, z = project(xyz, views.cameras.Ks[index], views.cameras.camera_from_world[index])
        there = sample(own[..., None], uv, mode="nearest")[..., 0]
        count += inside(uv, z, size) & counts_at(views, index, uv) & (z < (1 + tolerance) * there)
    return torch.where(depth > 0, count, 0)


def distillation_gradient(
    seen_noise: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    alpha_bar: Float[Tensor, ""],
    lack: Float[Tensor, "h w"],
) -> Float[Tensor, "b c h w"]:
    """(1 - alpha_bar) (seen_noise - noise) times `lack`: DreamFusion's equation 3, weighed as by DP-Recon.

    `alpha_bar`, in [0, 1], is the share of the picture in the variance of what the model was shown."""
    return (1 - alpha_bar) * lack * (seen_noise - noise)


def distillation_loss(rgb: Float[Tensor, "h w 3"], gradient: Float[Tensor, "h w 3"]) -> Float[Tensor, ""]:
    """A loss whose gradient in `rgb` is `gradient`, a constant; at least 0, and 0 where nothing is to change.

    Its value, half the squares of the gradient, is only for show: there is no function behind it."""
    constant = gradient.detach()
    return 0.5 * constant.square().sum() + (constant * (rgb - rgb.detach())).sum()

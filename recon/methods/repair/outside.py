"""Repair after the fit: Gaussians that photos show nothing of take their colours from mended pictures.

Nothing else changes, and they stay where they are: what is painted past the edge of one photo is seen by no
other, so nothing would say how far away it is, and pictures that do not agree would make floaters of it.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.events import Step
from recon.gaussians import SH_C0, Gaussians
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.loop import look_from, photo_scores
from recon.methods.repair.rounds import Place, Repair, camera_of, repaired_pictures
from recon.rendering import Engine, render
from recon.scene import Cameras, Views
from recon.seeds import step_seed
from recon.support import reduced
from recon.trainer import FitConfig, FitState, Recipe, near_plane

logger = logging.getLogger(__name__)

MAX_PIXELS = 768
"""The longer side of the mended pictures: what no photo shows is not known in more detail."""
SHOWN = 0.02
"""Photos do not show a Gaussian that fills less of them, in the mean, than this share of what it fills of the
mended pictures."""
FILLED = 1e-3
"""Pixels of mended pictures, by their weight, that a Gaussian must fill to take a colour from them."""


@dataclass(frozen=True)
class PaintedFit:
    """Another loop with the same steps, and the painting with the last of them.

    A fit that is stopped before takes its last step again, so the painting is there whole or not at all."""

    config: RepairConfig
    place: Place
    repair: Repair
    loop: Callable[..., Iterator[Step]]
    """The fit, `recon.trainer.fit` or another in its place."""

    def __call__(
        self,
        views: Views,
        stereo: StereoPrior,
        state: FitState,
        recipe: Recipe,
        engine: Engine,
        config: FitConfig,
    ) -> Iterator[Step]:
        """Changes `state` step by step, as `recon.trainer.fit` does."""
        for step in self.loop(views, stereo, state, recipe, engine, config):
            if state.step == config.max_steps:
                self.paint(views, stereo, state, engine, config)
            yield step

    def paint(
        self, views: Views, stereo: StereoPrior, state: FitState, engine: Engine, config: FitConfig
    ) -> None:
        """Gives the Gaussians that no photo shows their colours; the old ones again if a photo lost by it."""
        near = near_plane(stereo)
        look = look_from(state, engine, config, near)
        scores = photo_scores(views, look)
        before = [colour.detach().clone() for colour in (state.gaussians.sh0, state.gaussians.shN)]
        # On the host: the same cameras on every device.
        generator = torch.Generator().manual_seed(step_seed(config.seed, state.step))
        with torch.no_grad():
            cameras = self.place(views, stereo, look, self.config.rounds - 1, generator)
            cameras = reduced(cameras, MAX_PIXELS)
            pictures = repaired_pictures(views, cameras, look, self.repair, self.config.pseudo_views.reach)
        take_colours(state.gaussians, views.cameras, pictures, engine, near)
        changes = zip(scores, photo_scores(views, look), views.names, strict=True)
        loss, name = max((was - now, name) for was, now, name in changes)
        if loss > self.config.max_loss:
            logger.warning("Repair cost %s %.2f dB: the scene is the one without it.", name, loss)
            with torch.no_grad():
                state.gaussians.sh0.copy_(before[0])
                state.gaussians.shN.copy_(before[1])


@torch.no_grad()
def take_colours(
    gaussians: Gaussians, photos: Cameras, pictures: dict[str, Tensor], engine: Engine, near: float
) -> Bool[Tensor, " g"]:
    """Each Gaussian that no photo shows gets the mean colour of what it fills in the pictures of
    `repaired_pictures`, the same from all sides; those that fill nothing of them keep theirs. Which did."""
    total, shown = gaussians.sh0.new_zeros(len(gaussians), 5), torch.zeros_like(gaussians.logit_opacities)
    for index in range(len(pictures["Ks"])):
        rgb, weight = pictures[f"{index}.rgb"], pictures[f"{index}.weight"][..., None]
        parts = torch.cat([weight * rgb, weight, (weight > 0).to(rgb)], -1)
        total += within(gaussians, camera_of(pictures, index), 0, parts, engine, near)
    for index, (width, height) in enumerate(photos.sizes):
        whole = torch.ones(height, width, 1, device=shown.device)
        shown += within(gaussians, photos, index, whole, engine, near)[:, 0]
    colour, weight, filled = total.split([3, 1, 1], -1)
    hidden = shown / len(photos) < SHOWN * filled[:, 0] / len(pictures["Ks"])
    taken = hidden & (weight[:, 0] > FILLED)
    constant = (colour / weight.clamp_min(FILLED) - 0.5) / SH_C0
    gaussians.sh0.copy_(torch.where(taken[:, None, None], constant[:, None], gaussians.sh0))
    gaussians.shN.copy_(torch.where(taken[:, None, None], 0.0, gaussians.shN))
    return taken


def within(
    gaussians: Gaussians,
    cameras: Cameras,
    index: int,
    picture: Float[Tensor, "h w c"],
    engine: Engine,
    near: float,
) -> Float[Tensor, "g c"]:
    """The picture's sum over what each Gaussian fills of it, in units of whole pixels.

    What a Gaussian fills is the derivative of what is drawn with respect to its colour."""
    # Grey: black ones would have none, for colours are cut off at 0.
    grey = torch.zeros_like(gaussians.sh0)
    plain = Gaussians(
        gaussians.means.detach(),
        gaussians.quats.detach(),
        gaussians.log_scales.detach(),
        gaussians.logit_opacities.detach(),
        grey,
        gaussians.shN.detach(),
    )
    found = []
    with torch.enable_grad():
        drawn = render(plain, cameras, index, engine, sh_degree=0, near=near).rgb
        for channels in picture.split(3, -1):
            # The channels of what is drawn are alike, so that each can carry one of the picture's.
            part = (drawn[..., : channels.shape[-1]] * channels).sum()
            (gradient,) = torch.autograd.grad(part, plain.sh0, retain_graph=True)
            found.append(gradient[:, 0, : channels.shape[-1]] / SH_C0)
    return torch.cat(found, -1)

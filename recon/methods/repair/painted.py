"""Repair by the painter: where no photo sees the surface, what a small network of our own paints there.

The rule lies outside the network: what a photo sees is left to the photos, and counts nothing here. Pictures
are those around the photos and between them, wider than the photos are: what lies past their edges is what is
missing most.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.errors import InputError
from recon.methods.repair.blend import BlendConfig, Repaired, blend, sees
from recon.methods.repair.diffusion_tiles import Room, painted_within
from recon.methods.repair.painter import Painter
from recon.methods.repair.painter_config import PainterRepairConfig
from recon.methods.repair.painter_flow import painted
from recon.methods.repair.painter_tuning import tuned
from recon.methods.repair.painter_weights import load_painter
from recon.methods.repair.resizing import at_most
from recon.methods.repair.warps import Warps
from recon.scene import Cameras, Views


@dataclass
class PainterRepair:
    """A `recon.methods.repair.rounds.Repair` with the painter."""

    painter: Painter
    config: PainterRepairConfig
    blend: BlendConfig
    room: Room = field(default_factory=lambda: Room(divides=True))

    def __call__(self, cameras: Cameras, index: int, rgb: Float[Tensor, "h w 3"], warps: Warps) -> Repaired:
        """The blend, with the network's picture in the pixels whose surface no photo sees; those alone
        count."""
        mended = blend(rgb, warps, self.blend).rgb
        unseen = ~sees(warps, self.blend).any(0)
        nothing = torch.zeros_like(mended[..., 0])
        if not unseen.any():
            return Repaired(mended, nothing)
        made = self.painted(mended, unseen, index)
        taken = unseen & made.isfinite().all(-1)
        return Repaired(
            torch.where(taken[..., None], made, mended), torch.where(taken, self.config.confidence, nothing)
        )

    def painted(
        self, rgb: Float[Tensor, "h w 3"], unseen: Bool[Tensor, "h w"], seed: int
    ) -> Float[Tensor, "h w 3"]:
        """The network's picture: the same for the same seed and the same room."""
        self.painter.to(rgb.device)
        multiple = self.painter.multiple
        make = partial(painted_within, self.room, None, self._paint, seed=seed, multiple=multiple)
        return at_most(self.config.max_size, multiple, rgb, unseen, make)

    def _paint(self, image: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        return painted(self.painter, image, mask, generator, self.config.steps, self.config.strength)


def load_repair(config: PainterRepairConfig, blend: BlendConfig, views: Views, seed: int) -> PainterRepair:
    """The repair of a scene, its network made familiar with the photos.

    Raises InputError for weights that are not of this network, MachineError without diffusers."""
    if not config.weights:
        raise InputError(
            "The repair network has no weights that ship; name some that scripts/train_repair.py wrote by "
            "--repairing.painter.weights."
        )
    painter = load_painter(Path(config.weights)).to(views.images[0].device)
    return PainterRepair(tuned(painter, views.images, views.masks, config.tuning, seed), config, blend)

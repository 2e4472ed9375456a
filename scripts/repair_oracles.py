"""Repairs that know true photos, for measuring a ceiling; and which test pixels the train photos support."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from recon.methods.repair.blend import BlendConfig, Repaired, blend
from recon.methods.repair.loop import RepairedFit
from recon.methods.repair.rounds import Draw, Repair, blend_repair
from recon.methods.repair.warps import Warps, surface, warp_photos
from recon.scene import Cameras, Views
from recon.support import TOLERANCE


class Known(NamedTuple):
    """The photos of a scene by what they are for."""

    train: Views
    test: Views
    others: Views
    """Neither fitted nor tested, at most as many as a round has pictures."""

    def to(self, device: torch.device) -> "Known":
        """The same on `device`."""
        return Known(*(views.to(device) for views in self))


def at_given_cameras(loop: RepairedFit, name: str, known: Known) -> RepairedFit:
    """The loop with the cameras, and for oracles the photos, that a variant names."""
    kind, place = name.split("@")
    photos = known.test if place == "test" else known.others
    blends = loop.config.blend
    repair = blend_repair(blends) if kind == "blend" else oracle(photos, kind == "whole", blends)
    return replace(loop, place=lambda *_: photos.cameras, repair=repair)


def oracle(photos: Views, whole: bool, config: BlendConfig) -> Repair:
    """A repair that knows the photos: in the place of the blend's colours, or with full weight everywhere."""

    def repair(cameras: Cameras, index: int, rgb: Tensor, warps: Warps) -> Repaired:
        confidence = torch.ones_like(rgb[..., 0]) if whole else blend(rgb, warps, config).confidence
        return Repaired(photos.images[index], confidence)

    return repair


@torch.no_grad()
def supported_pixels(known: Known, look: Draw) -> list[Tensor]:
    """Pixels of the test views whose surface a train photo sees, (h, w) each."""
    train, test = known.train, known.test
    surfaces = [surface(look(train.cameras, index)) for index in range(len(train))]
    supported = []
    for index in range(len(test)):
        warps = warp_photos(train, surfaces, test.cameras, index, surface(look(test.cameras, index)))
        supported.append((warps.depth_error < TOLERANCE).any(0))
    return supported

"""One round of repair: where to look, what is drawn from there, and what should be."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.stereo import reduce_views
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.repair.blend import BlendConfig, Repaired, blend, explaining_photos
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.pseudo_views import candidate_cameras, choose_cameras, nearness, widened
from recon.methods.repair.warps import Warps, surface, warp_photos
from recon.rendering import Rendering
from recon.scene import Cameras, Views
from recon.support import reduced

SUPPORT_PIXELS = 128
"""The longer side of the pictures in which support is looked for."""
EXPLAINED_BY = 2
"""Photos that a pixel must be seen in to count as supported."""

Draw = Callable[[Cameras, int], Rendering]
"""The Gaussians as they are, from a camera."""
Place = Callable[[Views, StereoPrior, Draw, int, torch.Generator], Cameras]
"""The cameras of a round: train views, their stereo, how to draw, number of the round, random numbers."""


@runtime_checkable  # the shape checks of the tests ask for it
class Repair(Protocol):
    """What makes a picture better."""

    def __call__(self, cameras: Cameras, index: int, rgb: Float[Tensor, "h w 3"], warps: Warps) -> Repaired:
        """What camera `index` should see, given what is drawn from there and the photos moved there."""
        ...


def blend_repair(config: BlendConfig) -> Repair:
    """The blend by hand, which asks nothing about the camera."""
    return lambda cameras, index, rgb, warps: blend(rgb, warps, config)


def place_by_support(config: RepairConfig) -> Place:
    """Cameras between the photos where few of them see what is drawn, further outside from round to round."""
    places = config.pseudo_views

    def place(
        views: Views, stereo: StereoPrior, draw: Draw, number: int, generator: torch.Generator
    ) -> Cameras:
        outside = places.outside * (number + 1) / config.rounds
        photos = views.cameras
        candidates = candidate_cameras(photos, stereo.scale, outside, places.candidates, generator)
        small = reduce_views(views, SUPPORT_PIXELS)
        surfaces = [surface(draw(small.cameras, i)) for i in range(len(small))]
        looks = reduced(candidates, SUPPORT_PIXELS)

        def unsupported(index: int) -> float:
            drawn = draw(looks, index)
            warps = warp_photos(small, surfaces, looks, index, surface(drawn))
            explained = explaining_photos(drawn.rgb, warps, config.blend) >= EXPLAINED_BY
            return 1 - float(explained.float().mean())

        lack = torch.tensor([unsupported(index) for index in range(len(candidates))])
        return choose_cameras(candidates, photos, lack.to(candidates.Ks), places)

    return place


def place_around(place: Place, wider: float) -> Place:
    """The photos' own cameras and those of `place`, all with pictures that reach past the photos' edges."""

    def around(
        views: Views, stereo: StereoPrior, draw: Draw, number: int, generator: torch.Generator
    ) -> Cameras:
        own, others = views.cameras, place(views, stereo, draw, number, generator)
        both = Cameras(
            torch.cat([own.camera_from_world, others.camera_from_world]),
            torch.cat([own.Ks, others.Ks]),
            (*own.sizes, *others.sizes),
        )
        return widened(both, wider)

    return around


def repaired_pictures(
    views: Views, cameras: Cameras, draw: Draw, repair: Repair, reach: float
) -> dict[str, Tensor]:
    """Targets of a round as named tensors, for `FitState.kept`: cameras, and for each a picture and the
    weights of its pixels.

    A weight is the confidence of the pixel, times the mean confidence of its picture, times how near the
    camera is to a photo."""
    surfaces = [surface(draw(views.cameras, index)) for index in range(len(views))]
    near = nearness(cameras, views.cameras, reach)
    kept = {"camera_from_world": cameras.camera_from_world, "Ks": cameras.Ks}
    for index in range(len(cameras)):
        drawn = draw(cameras, index)
        warps = warp_photos(views, surfaces, cameras, index, surface(drawn))
        repaired = repair(cameras, index, drawn.rgb.clamp(0, 1), warps)
        kept[f"{index}.rgb"] = repaired.rgb
        kept[f"{index}.weight"] = repaired.confidence * repaired.confidence.mean() * near[index]
    return kept


def camera_of(kept: dict[str, Tensor], index: int) -> Cameras:
    """The camera of one of the pictures of `repaired_pictures`."""
    height, width = kept[f"{index}.weight"].shape
    one = slice(index, index + 1)
    return Cameras(kept["camera_from_world"][one], kept["Ks"][one], ((width, height),))

"""Depth where stereo found none: read off from what lies around in the picture and looks alike.

A pixel without trusted depth takes that of trusted pixels nearby of its own brightness, in a bilateral grid
(Chen et al., SIGGRAPH 2007): finely where there are some, coarsely where not. A flat patch far from all of
them may be anything, and is background. Then each recedes until no other photo sees through it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.geometry import pixel_centres, rays_from_pixels, transform
from recon.methods.priors.agreement import stands_before
from recon.methods.priors.correlation import window_statistics
from recon.scene import Cameras, Views

CELLS = (6, 16, 40, 100)
"""Widths of the grids' cells, in pixels, fine to coarse."""
COARSER = 0.02
"""Weight of a grid beside the next finer one: it speaks where that one is empty."""
BRIGHTNESS_BINS = 12
FLAT_CONTRAST, FLAT_WINDOW = 0.004, 11
"""A pixel is flat where the brightness in the window deviates by less than this, of 1."""
FLAT_REACH = 16
"""Flat pixels take no depth from grids with larger cells than this."""
BACKGROUND = 0.02
"""Share of the trusted pixels, of all views, that lie behind what is called background."""
RECEDE_STEPS = 8


def complete_depths(
    views: Views,
    depths: list[Float[Tensor, "_h _w"]],
    known: list[Bool[Tensor, "_h _w"]],
    trusted: list[Bool[Tensor, "_h _w"]],
    tolerance: float,
) -> list[Float[Tensor, "_h _w"]]:
    """The depths with those that are not known replaced, and those that are not trusted moved back from where
    they would hide one that is; `tolerance` (inverse depth) is what two views may differ by. `known` holds
    `trusted`; without a trusted pixel all stay as they are."""
    found = torch.cat([(1 / depth)[t] for depth, t in zip(depths, trusted, strict=True)])
    if len(found) == 0:
        return depths
    background = found.sort().values[int(BACKGROUND * len(found))]
    completed = []
    for depth, known_pixels, image in zip(depths, known, views.images, strict=True):
        grey = image.mean(-1)
        flat = flat_pixels(grey)
        completed.append(1 / complete_disparity(1 / depth, known_pixels, grey, flat, background))
    return [recede(views.cameras, i, completed, trusted, background, tolerance) for i in range(len(depths))]


def flat_pixels(grey: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Where the picture has no texture at all."""
    return window_statistics(grey[None], FLAT_WINDOW).variance[0] < FLAT_CONTRAST**2


def complete_disparity(
    disparity: Float[Tensor, "h w"],
    known: Bool[Tensor, "h w"],
    grey: Float[Tensor, "h w"],
    flat: Bool[Tensor, "h w"],
    background: Float[Tensor, ""],
) -> Float[Tensor, "h w"]:
    """`disparity` (inverse depth) where `known`; elsewhere the mean over known pixels that are near and
    of like brightness, and `background` where there are none."""
    samples = torch.stack([disparity, torch.ones_like(disparity)]) * known
    total = torch.stack([background.expand_as(disparity), torch.ones_like(disparity)]) * COARSER ** len(CELLS)
    for level, cell in enumerate(CELLS):
        blurred = COARSER**level * bilateral_blur(samples, grey, cell)
        total = total + (blurred if cell <= FLAT_REACH else blurred * ~flat)
    return torch.where(known, disparity, total[0] / total[1])


def bilateral_blur(
    samples: Float[Tensor, "c h w"], grey: Float[Tensor, "h w"], cell: int
) -> Float[Tensor, "c h w"]:
    """Sums of `samples` over about one cell and one bin of brightness around each pixel."""
    channels, height, width = samples.shape
    rows, columns = height // cell + 2, width // cell + 2
    bins = BRIGHTNESS_BINS
    uv = pixel_centres(height, width, like=grey) / cell
    level = grey.clamp(0, 1) * (bins - 1)
    index = (level.round() * rows + uv[..., 1].round()) * columns + uv[..., 0].round()
    grid = samples.new_zeros(channels, bins * rows * columns)
    grid.index_add_(1, index.long().flatten(), samples.flatten(1))
    grid = grid.reshape(channels, 1, bins, rows, columns)
    kernel = grid.new_tensor([0.25, 0.5, 0.25])
    grid = F.conv3d(grid, kernel.reshape(1, 1, 3, 1, 1), padding=(1, 0, 0))
    grid = F.conv3d(grid, kernel.reshape(1, 1, 1, 3, 1), padding=(0, 1, 0))
    grid = F.conv3d(grid, kernel.reshape(1, 1, 1, 1, 3), padding=(0, 0, 1))
    at = (
        torch.stack([uv[..., 0] / (columns - 1), uv[..., 1] / (rows - 1), level / (bins - 1)], dim=-1) * 2 - 1
    )
    read = F.grid_sample(grid.reshape(1, channels, bins, rows, columns), at[None, None], align_corners=True)
    return read[0, :, 0]


def recede(
    cameras: Cameras,
    index: int,
    depths: list[Float[Tensor, "_h _w"]],
    trusted: list[Bool[Tensor, "_h _w"]],
    background: Float[Tensor, ""],
    tolerance: float,
) -> Float[Tensor, "h w"]:
    """Depth of view `index` with its untrusted pixels moved back, towards the inverse depth `background`, to
    the first place where they hide no surface that another view trusts."""
    disparity, undecided = 1 / depths[index], ~trusted[index]
    rays = rays_from_pixels(pixel_centres(*disparity.shape, like=disparity), cameras.Ks[index])
    result = disparity
    for share in torch.linspace(0, 1, RECEDE_STEPS + 1).tolist():
        candidate = disparity + share * (background - disparity).clamp_max(0)
        points = transform(cameras.world_from_camera[index], rays / candidate[..., None])
        result = torch.where(undecided, candidate, result)
        hides = torch.zeros_like(undecided)
        for other in range(len(depths)):
            if other != index:
                hides |= stands_before(points, cameras, other, depths[other], trusted[other], tolerance)
        undecided = undecided & hides
    return 1 / result

"""Pictures that a result keeps: what the scene shows from some test views, the photos, the difference."""

import io

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from recon.datasets.splits import spread
from recon.exposure import photographed
from recon.gaussians import Gaussians
from recon.metrics import quantise
from recon.rendering import Engine
from recon.scene import Views

MAX_SIZE = 640
"""Longer side: they are looked at, not measured."""
MAX_ERROR = 0.25
"""Difference that is drawn in the last colour."""
ERROR_COLOURS = (
    (0.0, 0.0, 0.02),
    (0.34, 0.06, 0.43),
    (0.85, 0.29, 0.25),
    (0.99, 0.72, 0.1),
    (0.99, 1.0, 0.75),
)
"""From no difference to MAX_ERROR in equal steps."""
KINDS = SHOWN, PHOTO, ERROR = "scene", "photo", "error"
"""What a file shows, by the end of its stem."""


def file_name(index: int, kind: str) -> str:
    """Of the picture of a kind of the test view `index`, counted from 0."""
    return f"{index:03d}-{kind}.jpg"


@torch.no_grad()
def draw_pictures(
    gaussians: Gaussians, views: Views, engine: Engine, near: float, count: int
) -> dict[str, bytes]:
    """JPEG files by name, three of each of `count` views, which are spread over the test views, whatever
    their scores, so that every method shows the same ones."""
    files = {}
    for index in spread(len(views), max(0, min(count, len(views)))):
        rgb = quantise(photographed(gaussians, views.cameras, index, engine, near).rgb)
        photo = views.images[index]
        pictures = {SHOWN: rgb, PHOTO: photo, ERROR: error_picture(rgb, photo)}
        files |= {file_name(index, kind): jpeg(reduced(picture)) for kind, picture in pictures.items()}
    return files


def error_picture(rgb: Float[Tensor, "h w 3"], photo: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """The absolute difference, mean over the channels: dark where there is none, light from MAX_ERROR on."""
    ramp = photo.new_tensor(ERROR_COLOURS)
    place = ((rgb - photo).abs().mean(-1) / MAX_ERROR).clamp(max=1) * (len(ramp) - 1)
    lower = place.floor().clamp(max=len(ramp) - 2).long()
    share = (place - lower)[..., None]
    return ramp[lower] * (1 - share) + ramp[lower + 1] * share


def reduced(rgb: Float[Tensor, "h w 3"]) -> Float[Tensor, "h2 w2 3"]:
    """The picture at MAX_SIZE, or as it is."""
    height, width = rgb.shape[:2]
    factor = min(1.0, MAX_SIZE / max(height, width))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    return torch.nn.functional.interpolate(rgb.permute(2, 0, 1)[None], size, mode="area")[0].permute(1, 2, 0)


def jpeg(rgb: Float[Tensor, "h w 3"]) -> bytes:
    pixels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=88)
    return content.getvalue()

"""How close a picture is to a photo: PSNR, SSIM as 3DGS measures it, LPIPS."""

import math
import urllib.error
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import MachineError
from recon.gaussians import Gaussians
from recon.rendering import Engine, render
from recon.rendering.ssim import ssim
from recon.scene import Views

MAX_PSNR = 100.0
"""Score of identical pictures, whose PSNR is infinite."""

LpipsNet = Literal["alex", "vgg"]
Distance = Callable[[Float[Tensor, "h w 3"], Float[Tensor, "h w 3"]], float]


@dataclass(frozen=True)
class Scores:
    """How one picture, or the mean of several, compares."""

    psnr: float
    """dB; higher is better."""
    ssim: float
    """In [-1, 1]; higher is better."""
    lpips: float | None = None
    """Lower is better; None where it was not asked for."""


def psnr(rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"]) -> float:
    """Peak signal-to-noise ratio over all pixels and channels, in dB, for colours in [0, 1]."""
    mse = float(((rgb - target) ** 2).mean())
    return MAX_PSNR if mse == 0 else min(MAX_PSNR, -10 * math.log10(mse))


def quantise(rgb: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """The colours as an 8-bit picture holds them: clamped, rounded to 1/255."""
    return (rgb.clamp(0, 1) * 255).round() / 255


def make_lpips(net: LpipsNet, device: torch.device) -> Distance:
    """LPIPS v0.1 by torchmetrics, for colours in [0, 1]; its backbone comes from torch's cache or hub.

    Raises MachineError if the weights are neither there nor to be fetched."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        metric = LearnedPerceptualImagePatchSimilarity(net_type=net, normalize=True).to(device)
    except (urllib.error.URLError, OSError) as error:
        raise MachineError(
            f"LPIPS needs the {net} weights, which are neither in torch's cache nor to be fetched ({error}); "
            "set TORCH_HOME to a folder that has them, or measure without LPIPS."
        ) from error

    def distance(rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"]) -> float:
        metric.reset()
        return float(metric(rgb.permute(2, 0, 1)[None], target.permute(2, 0, 1)[None]))

    return distance


@torch.no_grad()
def evaluate(
    gaussians: Gaussians, views: Views, engine: Engine, near: float, lpips: Distance | None = None
) -> dict[str, Scores]:
    """Scores of every view under its photo's name, of pictures rounded to 8 bits."""
    scores = {}
    for index, name in enumerate(views.names):
        rgb = quantise(render(gaussians, views.cameras, index, engine, near=near).rgb)
        photo = views.images[index]
        distance = None if lpips is None else lpips(rgb, photo)
        scores[name] = Scores(psnr(rgb, photo), float(ssim(rgb, photo).mean()), distance)
    return scores


def mean_scores(scores: list[Scores]) -> Scores:
    """The mean of each metric over views, or over scenes; `lpips` only where all have it."""
    rows = [asdict(s) for s in scores]
    means = {
        key: None if any(row[key] is None for row in rows) else sum(row[key] for row in rows) / len(rows)
        for key in rows[0]
    }
    return Scores(**means)  # type: ignore[arg-type]  # psnr and ssim are never None

"""How close a picture is to a photo: PSNR, SSIM and LPIPS, of the whole picture and of the object in it.

Protocols differ in what they leave open; `MetricsConfig` says it, and stands in every result. For the object
there are two policies: RegNeRF puts it on white and measures the whole frame, SpaRe measures its bounding box
with the background inside. PSNR is in both over the pixels of the mask.
"""

import logging
import math
import urllib.error
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.errors import MachineError
from recon.exposure import photographed
from recon.gaussians import Gaussians
from recon.rendering import Engine
from recon.rendering.ssim import C1, C2, WINDOW, ssim
from recon.scene import Views
from recon.weights import check_backbone

logger = logging.getLogger(__name__)

MAX_PSNR = 100.0
"""Score of identical pictures, whose PSNR is infinite."""
UNIFORM_WINDOW = 7
STRIP = 64
"""Rows of SSIM's map that are made at a time."""
LPIPS_LEAST = 32
"""Pixels a side: below, AlexNet's and VGG's last layers have nothing to look at."""

LpipsNet = Literal["alex", "vgg"]
LpipsRange = Literal["[-1, 1]", "[0, 1]"]
SsimWindow = Literal["gauss11", "skimage7"]
MaskPolicy = Literal["none", "white_composite", "crop_bbox"]
Distance = Callable[[Float[Tensor, "h w 3"], Float[Tensor, "h w 3"]], float]
Box = tuple[slice, slice]


@dataclass(frozen=True)
class MetricsConfig:
    """What the published forms of the metrics differ in."""

    ssim_window: SsimWindow = "gauss11"
    """gauss11: as 3DGS, 11x11 Gaussian of deviation 1.5, zeros outside. skimage7: scikit-image's default, 7x7
    uniform with sample covariance, only where the window lies inside."""
    lpips_net: Literal["alex", "vgg", "none"] = "vgg"
    lpips_range: LpipsRange = "[-1, 1]"
    """What colours in [0, 1] are stretched to before the network: [-1, 1] as LPIPS asks, or not at all."""
    masks: MaskPolicy = "none"
    """How SSIM and LPIPS see the object: on white, or its tight bounding box."""
    ssim_crop: Literal["before", "after"] = "before"
    """Whether a bounding box cuts the pictures or the map of SSIM."""


@dataclass(frozen=True)
class Scores:
    """How one picture, or the mean of several, compares."""

    psnr: float
    """dB; higher is better."""
    ssim: float
    """In [-1, 1]; higher is better."""
    lpips: float | None = None
    """Lower is better; None where it was not asked for."""
    psnr_masked: float | None = None
    """Of the object alone, as the two below; None without a mask, or where too little of it is seen."""
    ssim_masked: float | None = None
    lpips_masked: float | None = None


WHOLE_PICTURE = MetricsConfig()


def psnr(rgb: Float[Tensor, "*b 3"], target: Float[Tensor, "*b 3"]) -> float:
    """Peak signal-to-noise ratio over all pixels and channels, in dB, for colours in [0, 1]."""
    mse = float(((rgb.double() - target.double()) ** 2).mean())
    return MAX_PSNR if mse == 0 else min(MAX_PSNR, -10 * math.log10(mse))


def mean_ssim(rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], window: SsimWindow) -> float:
    """The mean of SSIM's map."""
    return float(ssim_map(rgb, target, window).double().mean())


def ssim_map(
    rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], window: SsimWindow
) -> Float[Tensor, "i j"]:
    """A value a window: around each pixel, or around each that has a whole uniform window."""
    return ssim(rgb, target) if window == "gauss11" else uniform_ssim(rgb, target)


def mean_ssim_in_box(
    rgb: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    similarity: Float[Tensor, "i j"],
    box: Box,
    config: MetricsConfig,
) -> float:
    """The mean over an object's box, given the map of the whole pictures. Uniform windows see nothing
    beyond themselves, so their values in the pictures cut to the box are among those of the map."""
    if config.ssim_window == "gauss11":
        if config.ssim_crop == "before":
            return mean_ssim(rgb[box], target[box], config.ssim_window)
        return float(similarity[box].double().mean())
    # Windows that lie in the box, or those whose centres do; the map begins with the first window's corner.
    before, after = (0, UNIFORM_WINDOW - 1) if config.ssim_crop == "before" else (UNIFORM_WINDOW // 2,) * 2
    rows, columns = (slice(max(0, side.start - before), max(0, side.stop - after)) for side in box)
    return float(similarity[rows, columns].mean())


def uniform_ssim(a: Float[Tensor, "h w 3"], b: Float[Tensor, "h w 3"]) -> Float[Tensor, "i j"]:
    """SSIM (Wang et al. 2004) as scikit-image's default computes it, mean over the channels: 7x7 uniform
    window, sample covariance, i = h - 6 and j = w - 6 pixels whose window lies inside.

    In float64: a variance is a small difference of large numbers. In strips that stay in the processor's
    cache: five times as fast as whole maps."""
    margin = UNIFORM_WINDOW - 1
    tops = range(0, a.shape[0] - margin, STRIP)
    return torch.cat([_uniform_strip(*(x[top : top + STRIP + margin] for x in (a, b))) for top in tops])


def _uniform_strip(a: Float[Tensor, "h w 3"], b: Float[Tensor, "h w 3"]) -> Float[Tensor, "i j"]:
    a, b = a.double(), b.double()
    maps = (a, b, a * a + b * b, a * b)
    mean_a, mean_b, mean_squares, mean_product = (_window_sums(_window_sums(m, 0), 1) for m in maps)
    for mean in (mean_a, mean_b, mean_squares, mean_product):
        mean /= UNIFORM_WINDOW**2
    sample = UNIFORM_WINDOW**2 / (UNIFORM_WINDOW**2 - 1)
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    luminance = (2 * product + C1) / (squares + C1)
    contrast = (2 * sample * (mean_product - product) + C2) / (sample * (mean_squares - squares) + C2)
    return (luminance * contrast).mean(-1)


def _window_sums(x: Tensor, dim: int) -> Tensor:
    """Sums of 7 neighbours along `dim`: pairs, two pairs, one more, the last."""
    length = x.shape[dim] - (UNIFORM_WINDOW - 1)
    pairs = x.narrow(dim, 0, length + 5) + x.narrow(dim, 1, length + 5)
    sums = pairs.narrow(dim, 0, length) + pairs.narrow(dim, 2, length)
    return sums.add_(pairs.narrow(dim, 4, length)).add_(x.narrow(dim, 6, length))


def quantise(rgb: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """The colours as an 8-bit picture holds them: clamped, rounded to 1/255."""
    return (rgb.clamp(0, 1) * 255).round() / 255


def make_lpips(net: LpipsNet, device: torch.device, scale: LpipsRange = "[-1, 1]") -> Distance:
    """LPIPS v0.1 by torchmetrics, for colours in [0, 1]; its backbone comes from torch's cache or hub.

    Raises MachineError if the weights are neither there nor to be fetched, InputError if they are others."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    check_backbone(net)
    try:
        metric = LearnedPerceptualImagePatchSimilarity(net_type=net, normalize=scale == "[-1, 1]").to(device)
    except (urllib.error.URLError, OSError) as error:
        raise MachineError(
            f"LPIPS needs the {net} weights, which are neither in torch's cache nor to be fetched ({error}); "
            "set TORCH_HOME to a folder that has them, or measure without LPIPS."
        ) from error

    def distance(rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"]) -> float:
        metric.reset()
        return float(metric(rgb.permute(2, 0, 1)[None], target.permute(2, 0, 1)[None]))

    return distance


def bounding_box(mask: Bool[Tensor, "h w"]) -> Box:
    """Rows and columns of the smallest box around what is true; something is."""
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def compare(
    rgb: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    mask: Bool[Tensor, "h w"] | None = None,
    config: MetricsConfig = WHOLE_PICTURE,
    lpips: Distance | None = None,
) -> Scores:
    """All scores of a picture beside its photo; of the object if there is a mask and a policy for it."""
    similarity = ssim_map(rgb, target, config.ssim_window)
    whole = Scores(psnr(rgb, target), float(similarity.double().mean()), lpips and lpips(rgb, target))
    if mask is None or config.masks == "none":
        return whole
    if not mask.any():
        logger.warning("A mask is empty: its view has no masked scores.")
        return whole
    return _with_object(whole, rgb, target, mask, similarity, config, lpips)


def _with_object(
    whole: Scores,
    rgb: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    mask: Bool[Tensor, "h w"],
    similarity: Float[Tensor, "i j"],
    config: MetricsConfig,
    lpips: Distance | None,
) -> Scores:
    """The scores with those of the object, where it is large enough for them."""
    box, on_white = bounding_box(mask), config.masks == "white_composite"
    if on_white:
        seen = torch.where(mask[..., None], rgb, 1.0), torch.where(mask[..., None], target, 1.0)
    else:
        seen = rgb[box], target[box]
    side = min(seen[0].shape[:2])
    least = {"gauss11": WINDOW, "skimage7": UNIFORM_WINDOW}[config.ssim_window]
    if side < max(least, LPIPS_LEAST if lpips else 0):
        logger.warning("A mask's box is %d pixels wide or high, too few for some masked scores.", side)
    ssim_masked = None
    if side >= least and on_white:
        ssim_masked = mean_ssim(*seen, config.ssim_window)
    elif side >= least:
        ssim_masked = mean_ssim_in_box(rgb, target, similarity, box, config)
    return replace(
        whole,
        psnr_masked=psnr(rgb[mask], target[mask]),
        ssim_masked=ssim_masked,
        lpips_masked=lpips(*seen) if lpips and side >= LPIPS_LEAST else None,
    )


@torch.no_grad()
def evaluate(
    gaussians: Gaussians,
    views: Views,
    engine: Engine,
    near: float,
    lpips: Distance | None = None,
    config: MetricsConfig = WHOLE_PICTURE,
) -> dict[str, Scores]:
    """Scores of each view by name; pictures are rounded to 8 bits first."""
    scores = {}
    for index, name in enumerate(views.names):
        rgb = quantise(photographed(gaussians, views.cameras, index, engine, near).rgb)
        scores[name] = compare(rgb, views.images[index], views.masks[index], config, lpips)
    return scores


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of each metric over views, or over scenes; one that a view lacks only where all have it."""
    rows = [asdict(s) for s in scores]
    means = {
        key: None if any(row[key] is None for row in rows) else sum(row[key] for row in rows) / len(rows)
        for key in rows[0]
    }
    return Scores(**means)  # type: ignore[arg-type]  # psnr and ssim are never None

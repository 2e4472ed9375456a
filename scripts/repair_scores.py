"""How close pictures are to photos where train photos see what they show, and where none does."""

import statistics
from collections.abc import Sequence
from typing import TypedDict

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.metrics import MAX_PSNR, Distance, quantise, ssim_map

Pictures = Sequence[Float[Tensor, "_h _w 3"]]
Masks = Sequence[Bool[Tensor, "_h _w"]]
REGIONS = ("all", "supported", "unsupported")


class Score(TypedDict):
    """Of the pixels of a region in all test views together; None where there are none."""

    share: float
    """Of all pixels."""
    psnr: float | None
    ssim: float | None
    lpips: float | None
    """Mean over the views of the picture with the photo's own pixels outside the region; None if not asked
    for."""


def region_scores(
    pictures: Pictures, photos: Pictures, supported: Masks, lpips: Distance | None
) -> dict[str, Score]:
    """Scores by region; the pictures are rounded to 8 bits first. `all` is the mean over the views, as every
    benchmark has it."""
    pictures = [quantise(picture) for picture in pictures]
    whole = [
        region_score([a], [b], [torch.ones_like(m)], lpips)
        for a, b, m in zip(pictures, photos, supported, strict=True)
    ]
    return {
        "all": Score(share=1.0, **{key: _mean([w[key] for w in whole]) for key in ("psnr", "ssim", "lpips")}),
        "supported": region_score(pictures, photos, supported, lpips),
        "unsupported": region_score(pictures, photos, [~mask for mask in supported], lpips),
    }


def region_score(pictures: Pictures, photos: Pictures, masks: Masks, lpips: Distance | None) -> Score:
    """Scores of the pixels in `masks`."""
    count = sum(int(mask.sum()) for mask in masks)
    share = count / sum(mask.numel() for mask in masks)
    if count == 0:
        return Score(share=0.0, psnr=None, ssim=None, lpips=None)
    squares, similarity, distances = 0.0, 0.0, []
    for picture, photo, mask in zip(pictures, photos, masks, strict=True):
        squares += float((picture - photo)[mask].double().square().sum()) / 3
        similarity += float(ssim_map(picture, photo, "gauss11")[mask].double().sum())
        if lpips is not None:
            distances.append(lpips(torch.where(mask[..., None], picture, photo), photo))
    mse = squares / count
    psnr = MAX_PSNR if mse == 0 else min(MAX_PSNR, -10 * torch.tensor(mse).log10().item())
    return Score(share=share, psnr=psnr, ssim=similarity / count, lpips=_mean(distances))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def ceiling_table(results: Sequence[dict]) -> str:
    """Markdown: a row a scene and variant, means over the seeds; differences are to `none` of the same seed.

    The last column is what the photo that lost most lost, in dB: past 0.05 the fit would have been taken
    back."""
    lines = [
        "| Scene | Variant | PSNR | SSIM | LPIPS | supported | unsupported (share) | seeds | photo |",
        "|---" * 9 + "|",
    ]
    plain = {(r["scene"], r["seed"]): r for r in results if r["variant"] == "none"}
    groups: dict[tuple[str, str], list[dict]] = {}
    for result in results:
        groups.setdefault((result["scene"], result["variant"]), []).append(result)
    for (scene, variant), group in groups.items():
        bases = [plain[scene, r["seed"]] for r in group]
        cells = [_cell(group, bases, "all", metric) for metric in ("psnr", "ssim", "lpips")]
        cells += [_cell(group, bases, region, "psnr") for region in REGIONS[1:]]
        share = _mean([r["scores"]["unsupported"]["share"] for r in group])
        photo = max(worst_photo_loss(r, base) for r, base in zip(group, bases, strict=True))
        cells[-1] += f" ({share:.2f})"
        lines.append(f"| {' | '.join([scene, variant, *cells, str(len(group)), f'{0 - photo:+.2f}'])} |")
    return "\n".join(lines) + "\n"


def worst_photo_loss(result: dict, plain: dict) -> float:
    """Most dB that a train photo lost against the fit without repair."""
    return max(b - a for a, b in zip(result["photo_psnr"], plain["photo_psnr"], strict=True))


def _cell(group: Sequence[dict], bases: Sequence[dict], region: str, metric: str) -> str:
    """The mean, and its difference to the fits without repair."""
    own = _mean([r["scores"][region][metric] for r in group])
    base = _mean([r["scores"][region][metric] for r in bases])
    if own is None or base is None:
        return "-"
    digits = 2 if metric == "psnr" else 4
    difference = "" if group[0]["variant"] == "none" else f" ({own - base:+.{digits}f})"
    return f"{own:.{digits}f}{difference}"

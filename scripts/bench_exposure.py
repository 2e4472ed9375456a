"""Makes photos lighter and darker than each other, as a phone does that meters every photo anew, and prints
what a fit reaches with and without `recon.exposure`.

    python scripts/bench_exposure.py --data ../shared/data --scenes vase flower --spread 0.2 --seeds 3

Each train photo is multiplied by exp(s u) in all channels and exp(s u / 4) in each, s the --spread, u between
-1 and 1 from a generator of the seed, and clipped at white; held-out photos stay as they are. `found`: the
largest error of a logarithm of a factor, against those that were multiplied with and those found without.
The scene is measured at its mean exposure, and `balanced`: with a factor for each channel that fits the
held-out photo best, so that a wrong mean costs nothing and only what differs within a picture does. LPIPS is
of balanced pictures, VGG, colours in [0, 1].
"""

import argparse
from dataclasses import replace
from pathlib import Path

import development_scenes
import torch
from ablate import METRICS
from camera_bench import seeds, show_head, show_row
from jaxtyping import Float
from torch import Tensor

from recon.exposure import ExposureConfig, find_exposures
from recon.gaussians import Gaussians
from recon.methods.priors.single_view import NO_NETWORK
from recon.methods.table import METHODS
from recon.metrics import Distance, compare, make_lpips, mean_scores, quantise
from recon.pipeline import Stopwatch, find_stereo, fit_views
from recon.rendering import Engine, pick_device, pick_engine, render
from recon.scene import Views
from recon.trainer import near_plane

PARTS = METHODS["recon"][1]
COLUMNS = "scene views spread exposure seed found psnr balanced ssim lpips".split()
WAYS = {"as it is": ExposureConfig(weight=0.0), "at one": PARTS.exposure}


def factors(count: int, spread: float, seed: int) -> Float[Tensor, "n 3"]:
    """Logarithms, 0 in the mean over the photos."""
    generator = torch.Generator().manual_seed(seed)
    of_photo, of_channel = (
        torch.rand(count, 1, generator=generator),
        torch.rand(count, 3, generator=generator),
    )
    logs = spread * (2 * of_photo - 1) + spread / 4 * (2 * of_channel - 1)
    return logs - logs.mean(dim=0)


def multiplied(views: Views, logs: Float[Tensor, "n 3"]) -> Views:
    """The photos times their factors, clipped as a camera clips."""
    images = zip(views.images, logs.exp(), strict=True)
    return replace(views, images=tuple((image * factor.to(image)).clamp(0, 1) for image, factor in images))


def found_logs(views: Views) -> Float[Tensor, "n 3"]:
    """What is found of the photos, however little it explains; 0 where nothing is."""
    stereo = find_stereo(views, PARTS, lambda event: None, NO_NETWORK)
    found = find_exposures(views, stereo, replace(PARTS.exposure, least=-torch.inf))
    return torch.zeros(len(views), 3) if found is None else found[:, 3:].cpu()


def balanced(rgb: Float[Tensor, "h w 3"], photo: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """The picture times the factor of each channel that brings it nearest to the photo."""
    return rgb * (rgb * photo).sum((0, 1)) / rgb.square().sum((0, 1)).clamp_min(1e-12)


@torch.no_grad()
def scores(
    gaussians: Gaussians, test: Views, engine: Engine, near: float, lpips: Distance | None
) -> dict[str, float | None]:
    """Means over the held-out photos."""
    plain, fair = [], []
    metrics = METRICS if lpips else replace(METRICS, lpips_net="none")
    for index, photo in enumerate(test.images):
        rgb = render(gaussians, test.cameras, index, engine, near=near).over(gaussians.backdrop).rgb
        plain.append(compare(quantise(rgb), photo, None, metrics, None))
        fair.append(compare(quantise(balanced(rgb, photo)), photo, None, metrics, lpips))
    mean = mean_scores(fair)
    return {
        "psnr": mean_scores(plain).psnr,
        "balanced": mean.psnr,
        "ssim": round(mean.ssim, 4),
        "lpips": mean.lpips and round(mean.lpips, 4),
    }


def bench(name: str, seed: int, options: argparse.Namespace, device: torch.device, lpips: Distance) -> None:
    """The rows of one scene and one draw of factors."""
    engine = pick_engine("auto", device)
    scene = development_scenes.load(name, options.data, options.views, options.max_size)
    assert isinstance(scene.train, Views) and isinstance(scene.test, Views)
    train, test = scene.train.to(device), scene.test.to(device)
    logs = factors(len(train), options.spread, seed)
    changed = multiplied(train, logs)
    error = float((found_logs(changed) - found_logs(train) - logs).abs().max())
    for way, config in WAYS.items():
        parts = replace(PARTS, exposure=config, fit=replace(PARTS.fit, seed=seed))
        fitted = fit_views(changed, parts, engine, Stopwatch(device), lambda event: None)
        line: dict[str, object] = {"scene": name, "views": len(train), "spread": options.spread}
        line |= {"exposure": way, "seed": seed, "found": round(error, 4)}
        line |= scores(fitted.state.gaussians, test, engine, near_plane(fitted.stereo), lpips)
        show_row(line, COLUMNS, options.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the captures")
    parser.add_argument("--scenes", nargs="+", default=["flower", "vase"])
    parser.add_argument("--views", type=int, help="train views; each scene's own number if not given")
    parser.add_argument("--spread", type=float, default=0.2, help="logarithm by which a photo is lighter")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--max-size", type=int, default=512)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="JSON, a line a row")
    options = parser.parse_args()
    device = pick_device(options.device)
    lpips = make_lpips("vgg", device, METRICS.lpips_range)
    show_head(COLUMNS)
    for name in options.scenes:
        for seed in seeds(options):
            bench(name, seed, options, device, lpips)


if __name__ == "__main__":
    main()

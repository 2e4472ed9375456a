"""Times what measuring costs: the six metrics of ten pictures of 1600 x 1200 pixels, and rendering them.

    TORCH_HOME=... python scripts/bench_metrics.py                    # two cores, or the GPU if there is one
    TORCH_HOME=... python scripts/bench_metrics.py --policy regnerf --device cpu --threads 2

SpaRe's policy (AlexNet in the object's box) or RegNeRF's (VGG, the object on white). The pictures are made
up; the object is an ellipse. One picture goes first, untimed: it loads weights
and kernels. Medians of --repeats rounds; a metric's own row is the time of that metric alone.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from math import cos, pi, sin

import torch

from recon.benchmark.protocols import REGNERF, SPARE_METRICS
from recon.gaussians import Gaussians
from recon.metrics import Distance, bounding_box, compare, make_lpips, mean_ssim, psnr, quantise
from recon.provenance import commit, machine
from recon.rendering import Engine, engine_name, pick_device, pick_engine, render, synchronise
from recon.scene import Cameras

Pair = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""A picture, a photo, both (h, w, 3), and a mask (h, w)."""
POLICIES = {"spare": SPARE_METRICS, "regnerf": REGNERF}
FILLS = 0.9
"""Of the picture's width and height by the object: its box is then 81 % of the frame; DTU scan24's masks have
80 % on average."""
FOCAL = 1.8
"""In widths, as DTU's."""


def make_pairs(count: int, width: int, height: int, device: torch.device) -> list[Pair]:
    """Smooth photos of 8 bits, with noise for the pictures, and one object."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.meshgrid(torch.linspace(-1, 1, width), torch.linspace(-1, 1, height), indexing="xy")
    mask = x**2 + y**2 < FILLS**2
    pairs = []
    for _ in range(count):
        coarse = torch.rand(1, 3, 12, 16, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
        photo = quantise(smooth.permute(1, 2, 0))
        noise = 0.1 * torch.randn(photo.shape, generator=generator)
        pairs.append((quantise(photo + noise).to(device), photo.to(device), mask.to(device)))
    return pairs


def make_gaussians(count: int, device: torch.device) -> Gaussians:
    """Haze in a ball of radius 1: as in a fitted scene, a pixel is made of some tens of them."""
    generator = torch.Generator().manual_seed(1)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    radius = torch.rand(count, 1, generator=generator) ** (1 / 3)
    scales = 2 * count ** (-1 / 2) * torch.empty(count, 3).uniform_(0.5, 2, generator=generator)
    return Gaussians(
        means=direction * radius,
        quats=torch.randn(count, 4, generator=generator),
        log_scales=scales.log(),
        logit_opacities=torch.full((count,), -2.0),
        sh0=0.5 * torch.randn(count, 1, 3, generator=generator),
        shN=0.1 * torch.randn(count, 3, 3, generator=generator),
    ).to(device)


def make_cameras(count: int, width: int, height: int, device: torch.device) -> Cameras:
    """Around the ball, which fills the picture's height."""
    poses = torch.eye(4).repeat(count, 1, 1)
    for index in range(count):
        angle = 2 * pi * index / count
        poses[index, 0, [0, 2]] = torch.tensor([cos(angle), sin(angle)])
        poses[index, 2, [0, 2]] = torch.tensor([-sin(angle), cos(angle)])
        poses[index, 2, 3] = 2 * FOCAL * width / height
    K = torch.tensor([[FOCAL * width, 0, width / 2], [0, FOCAL * width, height / 2], [0, 0, 1.0]])
    return Cameras(poses, K.repeat(count, 1, 1), ((width, height),) * count).to(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> tuple[float, float]:
    """Median wall time, and time of the processor over all threads, which other work disturbs less."""
    wall, processor = [], []
    for _ in range(repeats):
        synchronise(device)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        work()
        synchronise(device)
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - begin_cpu)
    return statistics.median(wall), statistics.median(processor)


def metric_cases(pairs: list[Pair], policy: str, lpips: Distance) -> dict[str, Callable[[], object]]:
    """The whole comparison, and some of its parts alone."""
    config = POLICIES[policy]
    rows, columns = bounding_box(pairs[0][2])
    return {
        "all six": lambda: [compare(*pair, config, lpips) for pair in pairs],
        "PSNR": lambda: [psnr(a, b) for a, b, _ in pairs],
        "SSIM": lambda: [mean_ssim(a, b, config.ssim_window) for a, b, _ in pairs],
        "LPIPS": lambda: [lpips(a, b) for a, b, _ in pairs],
        "LPIPS in the box": lambda: [lpips(a[rows, columns], b[rows, columns]) for a, b, _ in pairs],
    }


@torch.no_grad()
def draw(gaussians: Gaussians, cameras: Cameras, engine: Engine) -> list[torch.Tensor]:
    """8-bit pictures of every camera."""
    return [quantise(render(gaussians, cameras, i, engine).rgb) for i in range(len(cameras))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", choices=POLICIES, default="spare")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--width", type=int, default=1600, help="pixels; the height is 3/4 of it")
    parser.add_argument("--gaussians", type=int, default=120_000)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    engine = pick_engine("auto", device)
    size = args.width, args.width * 3 // 4
    net = POLICIES[args.policy].lpips_net
    lpips = make_lpips("vgg" if net == "none" else net, device, POLICIES[args.policy].lpips_range)
    pairs = make_pairs(args.pictures, *size, device)
    gaussians, cameras = make_gaussians(args.gaussians, device), make_cameras(args.pictures, *size, device)
    rendering = {f"rendering {args.gaussians:,} Gaussians": lambda: draw(gaussians, cameras, engine)}
    compare(*pairs[0], POLICIES[args.policy], lpips)
    draw(gaussians, cameras.select([0]), engine)
    print(f"{machine(device)}, commit {commit()}, engine {engine_name(engine)}, {args.policy}'s policy:")
    print(f"| {args.pictures} pictures of {size[0]}x{size[1]} | seconds | of the processor |\n|---|---|---|")
    for name, work in {**metric_cases(pairs, args.policy, lpips), **rendering}.items():
        wall, processor = seconds(work, device, args.repeats)
        print(f"| {name} | {wall:.2f} | {processor:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""Times the CPU engine: rasterising and SSIM, by build of the core and number of threads.

    python scripts/bench_cpu_engine.py                # all builds that this processor runs, 1 and 2 threads
    python scripts/bench_cpu_engine.py --isa v4 --threads 1 --gaussians 100000

One process per build, which takes the thread counts in turn, so that both see the same machine. Medians of
several runs. `cpu` is the process's own time over all its threads, which other work on the machine disturbs
less than `wall`; `speed-up` compares the wall time with that of the first thread count.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from math import pi
from pathlib import Path

import torch

from recon.rendering.core import load_core, runnable_builds
from recon.rendering.cpu import rasterize_cpu
from recon.rendering.reference import EPS2D, MIN_ALPHA, MIN_TRANSMITTANCE, project
from recon.rendering.ssim import ssim

WIDTH, HEIGHT, SH_DEGREE = 504, 378, 1
CONTRIBUTING = 64
"""Gaussians with alpha >= 1/255 at a pixel, on average: that of a fitted photo scene at this size."""


def make_scene(count: int) -> dict[str, torch.Tensor]:
    """Gaussians spread evenly over the image and over depths 2 to 6, of random shape, orientation and colour.

    Opacities are even in [0.02, 0.2], so that few rays end early. The size in pixels is that which gives
    CONTRIBUTING: a Gaussian of deviation s covers 2 pi log(255 opacity) (s^2 + EPS2D) pixels, and the random
    stretch makes that 1.23 times as much."""
    generator = torch.Generator().manual_seed(0)
    focal = 420.0
    opacities = torch.empty(count).uniform_(0.02, 0.2, generator=generator)
    area = 2 * pi * (255 * opacities).log().mean()
    pixels = ((CONTRIBUTING * WIDTH * HEIGHT / (count * area) - EPS2D) / 1.23) ** 0.5
    depths = torch.empty(count).uniform_(2, 6, generator=generator)
    x = torch.empty(count).uniform_(-WIDTH / 2, WIDTH / 2, generator=generator) * depths / focal
    y = torch.empty(count).uniform_(-HEIGHT / 2, HEIGHT / 2, generator=generator) * depths / focal
    stretch = torch.empty(count, 3).uniform_(-0.6, 0.6, generator=generator).exp()
    return {
        "means": torch.stack([x, y, depths], 1),
        "quats": torch.randn(count, 4, generator=generator),
        "scales": stretch * (pixels * depths / focal)[:, None],
        "opacities": opacities,
        "sh": torch.randn(count, (SH_DEGREE + 1) ** 2, 3, generator=generator) * 0.3,
        "camera_from_world": torch.eye(4),
        "K": torch.tensor([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]]),
    }


def contributing(scene: dict[str, torch.Tensor]) -> float:
    """Mean number of Gaussians that a pixel's colour is made of, over some random pixels."""
    geometry = {name: value for name, value in scene.items() if name != "opacities"}
    projected = project(**geometry, width=WIDTH, height=HEIGHT, sh_degree=SH_DEGREE)
    order = projected.depths.argsort()
    conics = torch.linalg.inv(projected.covs2d[order])
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(64, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    offsets = pixels[:, None] - projected.means2d[order]
    alphas = scene["opacities"][order] * torch.exp(
        -0.5 * torch.einsum("pdi,dij,pdj->pd", offsets, conics, offsets)
    )
    alphas = torch.where(alphas >= MIN_ALPHA, alphas, 0)
    seen = (alphas > 0) & (torch.cumprod(1 - alphas, 1) > MIN_TRANSMITTANCE)
    return seen.sum(1).float().mean().item()


def median_times(work: Callable[[], None], threads: list[int], repeats: int) -> list[tuple[float, float]]:
    """(cpu, wall) in milliseconds for each number of threads, after two runs of each to warm up."""
    times: dict[int, list[tuple[float, float]]] = {count: [] for count in threads}
    for run in range(repeats + 2):
        for count in threads:
            torch.set_num_threads(count)
            cpu_begin, wall_begin = time.process_time(), time.perf_counter()
            work()
            taken = (time.process_time() - cpu_begin, time.perf_counter() - wall_begin)
            if run >= 2:
                times[count].append(taken)
    return [(median_ms(cpu), median_ms(wall)) for cpu, wall in (zip(*times[n], strict=True) for n in threads)]


def median_ms(seconds: Iterable[float]) -> float:
    return 1000 * statistics.median(seconds)


def rasteriser_cases(count: int) -> list[tuple[str, Callable[[], None]]]:
    scene = make_scene(count)
    leaves = {name: value.requires_grad_(name != "K") for name, value in scene.items()}
    generator = torch.Generator().manual_seed(2)
    v_rgb = torch.randn(HEIGHT, WIDTH, 3, generator=generator)
    v_depth = torch.randn(HEIGHT, WIDTH, generator=generator)

    def draw() -> tuple[torch.Tensor, torch.Tensor]:
        rendering = rasterize_cpu(**leaves, width=WIDTH, height=HEIGHT, sh_degree=SH_DEGREE, near=0.01)
        return rendering.rgb, rendering.depth

    def forward() -> None:
        with torch.no_grad():
            draw()

    def both() -> None:
        torch.autograd.backward(draw(), (v_rgb, v_depth))
        for leaf in leaves.values():
            leaf.grad = None

    label = f"{count // 1000}k Gaussians"
    return [(f"{label}, forward", forward), (f"{label}, forward + backward", both)]


def ssim_case() -> tuple[str, Callable[[], None]]:
    generator = torch.Generator().manual_seed(3)
    a = torch.rand(HEIGHT, WIDTH, 3, generator=generator, requires_grad=True)
    b = torch.rand(HEIGHT, WIDTH, 3, generator=generator)

    def both() -> None:
        ssim(a, b).mean().backward()
        a.grad = None

    return "SSIM, forward + backward", both


def measure(counts: list[int], threads: list[int], repeats: int) -> None:
    """Rows for this process's build."""
    cases = [case for count in counts for case in rasteriser_cases(count)]
    for label, work in [*cases, ssim_case()]:
        times = median_times(work, threads, repeats)
        for count, (cpu, wall) in zip(threads, times, strict=True):
            speed_up = times[0][1] / wall
            row = (load_core().isa, count, label, f"{cpu:.1f}", f"{wall:.1f}", f"{speed_up:.2f}")
            print("|", *(f"{cell} |" for cell in row), flush=True)


def processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--isa", nargs="+", default=runnable_builds())
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--gaussians", nargs="+", type=int, default=[30_000, 100_000])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.gaussians, args.threads, args.repeats)
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    print(
        f"{processor()}, {os.cpu_count()} cores, commit {commit}: "
        f"{WIDTH}x{HEIGHT}, RGB + depth, SH{SH_DEGREE}."
    )
    for count in args.gaussians:
        print(f"{count} Gaussians: {contributing(make_scene(count)):.0f} contribute to a pixel.")
    print("| build | threads | case | cpu ms | wall ms | speed-up |\n|---|---|---|---|---|---|", flush=True)
    lists = {"--threads": args.threads, "--gaussians": args.gaussians, "--repeats": [args.repeats]}
    options = [str(word) for option, values in lists.items() for word in (option, *values)]
    for isa in args.isa:
        environment = {**os.environ, "RECON_CORE_ISA": isa}
        subprocess.run([sys.executable, __file__, "--measure", *options], env=environment, check=True)


if __name__ == "__main__":
    main()

"""The sections of the report, and its file."""

from pathlib import PurePath
from typing import Any

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from recon.exporting.frame import export_from_world, move_cameras, move_gaussians
from recon.files import atomic_file
from recon.gaussians import Gaussians, rgb_from_sh0
from recon.methods.priors.stereo_types import StereoPrior
from recon.metrics import quantise
from recon.rendering import Engine
from recon.report import page
from recon.report.advice import advice
from recon.report.journal import Journal
from recon.report.maps import MAX_SIZE, SUPPORT_COLOURS, Maps, depth_picture, draw_maps, support_picture
from recon.run_folder import RunFolder
from recon.scene import Cameras, Views
from recon.trainer import near_plane

MAX_POINTS = 8000
"""Points of the scene beside the cameras, so that the page turns smoothly and stays small."""
SUPPORT_NAMES = ("no surface", "one photo", "two", "three", "four or more")


def write_report(
    run: RunFolder,
    metrics: dict[str, Any],
    journal: Journal,
    gaussians: Gaussians,
    views: tuple[Views, Views],
    engine: Engine,
    stereo: StereoPrior,
) -> None:
    """Write the report of a run that has ended; `views` are those fitted and those held out, `metrics` what
    metrics.json says."""
    train, held_out = views
    near = near_plane(stereo)
    maps = draw_maps(gaussians, train.cameras, engine, near)
    sections = {
        "": page.counts(_counts(metrics, journal, train)),
        "What would make it better": page.bullets(
            advice(journal, train.names, maps, train.cameras, metrics["psnr"], metrics["finished"])
        ),
        "Cameras": '<canvas id="scene"></canvas>'
        "<p>Blue: fitted photos; orange: held out. Drag to turn, wheel to zoom.</p>"
        + _distortion(train)
        + _camera_table(journal),
        "What each photo supports": _exposures(metrics)
        + page.legend(dict(zip(SUPPORT_NAMES, SUPPORT_COLOURS, strict=True)))
        + "".join(
            _photo_row(name, image, m) for name, image, m in zip(train.names, train.images, maps, strict=True)
        ),
    }
    if stereo.monocular:
        sections["Depth of single photos"] = _single_depths(train, stereo)
    if len(held_out):
        sections["Photos that were held out"] = _held_out(gaussians, held_out, engine, near, metrics)
    sections |= {
        "Losses": page.curves(journal.steps, journal.losses),
        "Time and memory": page.bars(metrics["seconds"])
        + f"<p>At most {metrics['peak_memory_gb']:.1f} GB on {page.escape(metrics['machine'])}, "
        f"engine {page.escape(metrics['engine'])}, commit {page.escape(metrics['commit'])}.</p>",
        "Settings": f"<details><summary>All</summary><pre>{page.escape(_settings(run))}</pre></details>",
    }
    html = page.page(f"recon: {run.path.resolve().name}", sections, _scene(gaussians, train, held_out))
    with atomic_file(run.report) as file:
        file.write(html.encode())


def _counts(metrics: dict[str, Any], journal: Journal, train: Views) -> dict[str, str]:
    """Photos first: how many were read, and how many of them have a camera."""
    numbers = {
        "photos read": str(max(len(journal.rows), len(train))),
        "placed and fitted": str(len(train)),
        "Gaussians": f"{metrics['gaussians']:,}",
        "steps" if metrics["finished"] else "steps, stopped early": f"{metrics['steps']:,}",
        **_time(sum(metrics["seconds"].values())),
    }
    if metrics["psnr"] is not None:
        numbers["PSNR of held-out photos"] = f"{metrics['psnr']:.1f} dB"
    return numbers


def _time(seconds: float) -> dict[str, str]:
    return {"seconds": f"{seconds:.0f}"} if seconds < 120 else {"minutes": f"{seconds / 60:.1f}"}


def _distortion(train: Views) -> str:
    """One sentence about lens distortion that was found with the cameras; nothing where none was."""
    k1 = [lens.k1 for lens in train.lenses if not lens.is_pinhole]
    if not k1:
        return ""
    term = f"k1 = {k1[0]:.3f}" if len(set(k1)) == 1 else f"k1 from {min(k1):.3f} to {max(k1):.3f}"
    return (
        f"<p>The lens distorts ({term}, the one radial term of COLMAP's SIMPLE_RADIAL, solved with the "
        "cameras): photos are undistorted once, and what is fitted, compared with the scene and exported is "
        "the undistorted photo.</p>"
    )


def _exposures(metrics: dict[str, Any]) -> str:
    """How much lighter each photo is than their mean; nothing where they hardly differ."""
    if metrics["exposures"] is None:
        return ""
    rows = [
        (name, *(f"{100 * (factor - 1):+.0f} %" for factor in factors))
        for name, factors in metrics["exposures"].items()
    ]
    return (
        "<p>The photos differ in exposure or white balance. They were fitted as if they did not, so that the "
        "scene has their mean; beside a photo it is shown with the photo's own.</p>"
        + page.table(("photo, against the mean", "red", "green", "blue"), rows)
    )


def _camera_table(journal: Journal) -> str:
    if not journal.rows:
        return "<p>The cameras came with the photos, or from an earlier process of this run.</p>"
    rows = [
        (
            row.name,
            f"{row.keypoints:,}",
            f"{row.matches:,}",
            "yes" if row.registered else "no",
            "-" if row.reprojection_error is None else f"{row.reprojection_error:.2f}",
        )
        for row in journal.rows
    ]
    found = page.table(("photo", "keypoints", "matches", "placed", "error (pixels)"), rows)
    names, counts = [row.name for row in journal.rows], [row.shared for row in journal.rows]
    return found + page.matrix("Matches between the photos", names, counts)


def _photo_row(name: str, image: Float[Tensor, "h w 3"], maps: Maps) -> str:
    pictures = {
        name: _resized(image, maps.rgb),
        "the scene from there": maps.rgb,
        "depth": depth_picture(maps.depth),
        "photos that see it": support_picture(maps.support),
    }
    return page.row("row", pictures)


def _single_depths(train: Views, stereo: StereoPrior) -> str:
    """What the photos together know beside what the network made of each alone."""
    rows = []
    for index, (name, alone) in enumerate(zip(train.names, stereo.monocular, strict=True)):
        confirmed = torch.where(stereo.consistent[index], stereo.depths[index], 0.0)
        pictures = {f"{name}: where photos agree": _small(confirmed)}
        if alone is not None:
            pictures["the network, this photo alone"] = _small(alone)
        rows.append(page.row("pair", pictures))
    return "".join(rows)


def _small(depth: Float[Tensor, "_h _w"]) -> Float[Tensor, "_h2 _w2 3"]:
    """The picture of a depth map at the size of the report's."""
    factor = max(1, -(-max(depth.shape) // MAX_SIZE))
    return depth_picture(depth[::factor, ::factor])


def _held_out(
    gaussians: Gaussians, held_out: Views, engine: Engine, near: float, metrics: dict[str, Any]
) -> str:
    rows = []
    for name, image, maps in zip(
        held_out.names, held_out.images, draw_maps(gaussians, held_out.cameras, engine, near), strict=True
    ):
        score = metrics["per_view"].get(name, {}).get("psnr")
        caption = "the scene from there" + (f", {score:.1f} dB" if score is not None else "")
        rows.append(page.row("pair", {name: _resized(image, maps.rgb), caption: quantise(maps.rgb)}))
    return "".join(rows)


def _resized(image: Float[Tensor, "h w 3"], like: Float[Tensor, "h2 w2 3"]) -> Float[Tensor, "h2 w2 3"]:
    """The photo at the size of another picture of it."""
    planes = image.permute(2, 0, 1)[None]
    size = (like.shape[0], like.shape[1])
    return torch.nn.functional.interpolate(planes, size, mode="area")[0].permute(1, 2, 0)


def _scene(gaussians: Gaussians, train: Views, held_out: Views) -> dict[str, Any]:
    """Cameras and a sample of points, upright, centred, about one unit large."""
    rigid = export_from_world(gaussians, train.cameras)
    order = gaussians.opacities.detach().argsort(descending=True)
    chosen = torch.zeros(len(order), dtype=torch.bool, device=order.device)
    # Among the more opaque half: the rest are haze.
    half = order[: max(1, len(order) // 2)]
    chosen[half[:: 1 + len(half) // MAX_POINTS]] = True
    moved = move_gaussians(gaussians.select(chosen), rigid)
    radius = float(moved.means.detach().norm(dim=-1).quantile(0.9))
    rgb = (rgb_from_sh0(moved.sh0.detach()[:, 0]).clamp(0, 1) * 255).round().int().tolist()
    eyes = [
        {**corners, "held_out": part == 1}
        for part, views in enumerate((train, held_out))
        for corners in _frusta(move_cameras(views.cameras, rigid), views.names, radius)
    ]
    points = (moved.means.detach() / radius).cpu()
    inside = points.norm(dim=-1) < 2
    return {
        "points": [[round(c, 3) for c in point] for point in points[inside].tolist()],
        "colours": [
            f"rgb({r},{g},{b})" for (r, g, b), keep in zip(rgb, inside.tolist(), strict=True) if keep
        ],
        "cameras": eyes,
    }


def _frusta(cameras: Cameras, names: tuple[str, ...], radius: float) -> list[dict[str, Any]]:
    """Name, and centre with the four corners of a picture 0.15 units before it."""
    frusta = []
    for name, pose, K, (width, height) in zip(
        names, cameras.world_from_camera.cpu(), cameras.Ks.cpu(), cameras.sizes, strict=True
    ):
        pixels = torch.tensor([[0.0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]])
        corners = 0.15 * radius * pixels @ torch.linalg.inv(K).T
        xyz = torch.cat([torch.zeros(1, 3), corners]) @ pose[:3, :3].T + pose[:3, 3]
        frusta.append({"name": name, "corners": [[round(c, 4) for c in p] for p in (xyz / radius).tolist()]})
    return frusta


def _settings(run: RunFolder) -> str:
    """config.yaml, its paths cut to their last part: reports are passed on."""
    return yaml.safe_dump(_without_paths(yaml.safe_load(run.config.read_text())), sort_keys=False)


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    return PurePath(value).name if isinstance(value, str) and "/" in value else value

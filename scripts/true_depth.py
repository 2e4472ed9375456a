"""Where the depth of train views is known: rendered maps, and points triangulated from all views of a scene.

The truth reads photos that are held out; nothing here may reach a prior or a fit.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import development_scenes
import numpy as np
import torch
from torch import Tensor

from recon.checkpoint import load_tensors, save_tensors
from recon.errors import InputError
from recon.geometry import pixel_centres, project
from recon.scene import Views

TRIANGULATED_AT = 1024
"""Longest side in pixels at which features are matched: finer than the stereo that is measured."""
MIN_TRACK = 3
"""Views that must see a point: two agree by chance along a line, three do not."""
MAX_ERROR = 1.0
"""Mean reprojection error of a point at most, in pixels at TRIANGULATED_AT."""


class TrueDepth(NamedTuple):
    """Samples of one view's depth."""

    uv: Tensor
    """(m, 2), pixels of the view."""
    depth: Tensor
    """(m,) z-depth, world units."""


class TruePoints(NamedTuple):
    """Points on the surfaces of a scene."""

    xyz: Tensor
    """(m, 3), world."""
    seen: dict[str, Tensor]
    """By photo: (m,) bool, whether the point was found in it, so that nothing hides it there."""


def true_depths(name: str, train: Views, data: Path, cache: Path) -> list[TrueDepth]:
    """The truth of each train view; triangulated points are kept in `cache`.

    Raises InputError: the maps of the bundled photos were not rendered."""
    if name == "yard":
        folder = cache / "yard"
        remedy = f"python scripts/make_sample.py --depth-only --only yard --depth {folder}"
        return [rendered(folder, view, train, remedy) for view in range(len(train))]
    points = _cached_points(name, data, cache / f"{name}.safetensors")
    return [projected(points, view, train) for view in range(len(train))]


def rendered(folder: Path, view: int, train: Views, remedy: str) -> TrueDepth:
    """The map of a view, which may be of another size than its photo; 0 where it knows nothing.

    Raises InputError: the map is not there; `remedy` is the command that writes it."""
    path = folder / f"{Path(train.names[view]).stem}.npz"
    if not path.exists():
        raise InputError(f"{path} does not exist; write it with `{remedy}`.")
    depth = torch.from_numpy(np.load(path)["depth"])
    height, width = depth.shape
    hit = depth > 0
    # A pixel keeps its place in the picture when the picture is resized.
    ratio = torch.tensor(train.sizes[view]) / torch.tensor([width, height])
    return TrueDepth(pixel_centres(height, width, like=depth)[hit] * ratio, depth[hit])


def projected(points: TruePoints, view: int, train: Views) -> TrueDepth:
    """The depth of the points that a view was seen to see."""
    cameras = train.cameras
    xyz = points.xyz[points.seen[train.names[view]]]
    uv, depth = project(xyz, cameras.Ks[view].cpu(), cameras.camera_from_world[view].cpu())
    width, height = cameras.sizes[view]
    # A point that distortion pushed over the edge at one size may be past it at another.
    inside = (uv >= 0).all(-1) & (uv < torch.tensor([width, height])).all(-1)
    return TrueDepth(uv[inside], depth[inside])


def _cached_points(name: str, data: Path, path: Path) -> TruePoints:
    if path.exists():
        tensors, _ = load_tensors(path, torch.device("cpu"))
        return TruePoints(tensors.pop("xyz"), tensors)
    points = triangulated(development_scenes.load_all(name, data, TRIANGULATED_AT))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, {"xyz": points.xyz, **points.seen}, {})
    return points


def triangulated(views: Views) -> TruePoints:
    """Points that MIN_TRACK or more of the views see, with at most MAX_ERROR."""
    from recon.methods.priors.poses_triangulate import triangulated_model

    # Masks would leave out what stereo is asked about.
    model, _ = triangulated_model(replace(views, masks=(None,) * len(views)))
    xyz, seen = [], []
    for point in model.points3D.values():
        images = {element.image_id for element in point.track.elements}
        if len(images) >= MIN_TRACK and point.error <= MAX_ERROR:
            xyz.append(point.xyz)
            seen.append([view + 1 in images for view in range(len(views))])
    found = torch.tensor(np.array(seen, dtype=bool)).reshape(-1, len(views))
    points = torch.tensor(np.array(xyz), dtype=torch.float32).reshape(-1, 3)
    return TruePoints(points, {name: found[:, view] for view, name in enumerate(views.names)})

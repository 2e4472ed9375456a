"""Priors on disk: computed once for a run, read again when it goes on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from recon.checkpoint import load_tensors, save_tensors
from recon.datasets.undistorted_photos import undistorted_photos
from recon.errors import InputError
from recon.lens import simple_radial
from recon.methods.priors.depth_range import DepthRangeConfig, find_depth_range
from recon.methods.priors.sensor import with_sensor_depth
from recon.methods.priors.single_view import NO_NETWORK, DepthConfig, with_single_views
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.scene import Cameras, Photos, Views

PARTS = ("train", "test")
"""What the photos of a pair are called in the file."""


def cached_stereo(
    path: Path | None,
    views: Views,
    stereo: StereoConfig,
    depth_range: DepthRangeConfig,
    on_view: Callable[[int], None],
    depth: DepthConfig = NO_NETWORK,
) -> StereoPrior:
    """The stereo prior of the views, with what a sensor and a network say of single photos: from `path` if it
    lies there, else computed and, with a path, kept.

    Raises InputError if the views are not those of the file any more."""
    if path is not None and path.exists():
        return load_stereo(path, views)
    prior = compute_stereo(views, find_depth_range(views, stereo, depth_range), stereo, on_view)
    prior = with_single_views(with_sensor_depth(prior, views), views, depth)
    if path is not None:
        save_stereo(path, views, prior)
    return prior


def save_stereo(path: Path, views: Views, prior: StereoPrior) -> None:
    """A prior, with a digest of the views it was computed from."""
    tensors = {f"{i}.depth": d for i, d in enumerate(prior.depths)}
    tensors |= {f"{i}.confidence": c for i, c in enumerate(prior.confidences)}
    tensors |= {f"{i}.consistent": c for i, c in enumerate(prior.consistent)}
    tensors |= {f"{i}.monocular": m for i, m in enumerate(prior.monocular) if m is not None}
    metadata = {"depth_range": list(prior.depth_range), "views": digest(views)}
    save_tensors(path, tensors, metadata | {"monocular": bool(prior.monocular)})


def load_stereo(path: Path, views: Views) -> StereoPrior:
    """The prior that `save_stereo` kept. Raises InputError if the views are not the same any more."""
    tensors, metadata = load_tensors(path, views.images[0].device)
    _check_same(path, metadata["views"], digest(views))
    indices = range(len(views))
    near, far = metadata["depth_range"]
    return StereoPrior(
        depths=tuple(tensors[f"{i}.depth"] for i in indices),
        confidences=tuple(tensors[f"{i}.confidence"] for i in indices),
        consistent=tuple(tensors[f"{i}.consistent"] for i in indices),
        depth_range=(near, far),
        # Earlier versions kept none.
        monocular=tuple(tensors.get(f"{i}.monocular") for i in indices) if metadata.get("monocular") else (),
    )


def load_trust(path: Path) -> tuple[Bool[Tensor, "_h _w"], ...]:
    """Where each view's stereo depth was trusted, of the prior that `save_stereo` kept."""
    tensors, _ = load_tensors(path, torch.device("cpu"))
    return tuple(
        tensors[f"{i}.consistent"] for i in range(sum(name.endswith(".consistent") for name in tensors))
    )


def save_cameras(path: Path, photos: tuple[Photos, Photos], placed: tuple[Views, Views]) -> None:
    """Cameras of the views among the photos, those to fit and those held out, the lenses whose distortion was
    undone, if it was, and a digest of all photos."""
    tensors = {
        f"{part}.{name}": tensor
        for part, views in zip(PARTS, placed, strict=True)
        for name, tensor in _camera_tensors(views).items()
    }
    names = {part: list(views.names) for part, views in zip(PARTS, placed, strict=True)}
    save_tensors(path, tensors, {"photos": digest(*photos), **names})


def load_cameras(path: Path, photos: tuple[Photos, Photos]) -> tuple[Views, Views]:
    """The views that `save_cameras` kept. Raises InputError if the photos are not the same any more."""
    tensors, metadata = load_tensors(path, torch.device("cpu"))
    _check_same(path, metadata["photos"], digest(*photos))
    train, held_out = (
        _with_cameras(chosen, tensors, metadata[part], part)
        for part, chosen in zip(PARTS, photos, strict=True)
    )
    return train, held_out


def _check_same(path: Path, before: str, now: str) -> None:
    if before != now:
        raise InputError(
            f"The photos have changed since {path} was made; begin anew with --overwrite, or put the photos "
            "back as they were."
        )


def _camera_tensors(views: Views) -> dict[str, torch.Tensor]:
    tensors = {"camera_from_world": views.cameras.camera_from_world, "Ks": views.cameras.Ks}
    if views.lenses:
        # A refinement may have moved the pinhole camera's K away from what the lens's leads to.
        tensors["lens_Ks"] = torch.from_numpy(np.array([lens.K for lens in views.lenses]))
        tensors["radial"] = torch.tensor([lens.k1 for lens in views.lenses], dtype=torch.float64)
    return tensors


def _with_cameras(photos: Photos, tensors: dict[str, torch.Tensor], names: list[str], part: str) -> Views:
    chosen = photos.select([photos.names.index(name) for name in names])
    if f"{part}.radial" in tensors:  # earlier versions kept none
        Ks, radial = tensors[f"{part}.lens_Ks"].numpy(), tensors[f"{part}.radial"].tolist()
        lenses = [simple_radial(*of_one) for of_one in zip(chosen.sizes, Ks, radial, strict=True)]
        chosen = undistorted_photos(chosen, lenses)[0]
    cameras = Cameras(tensors[f"{part}.camera_from_world"], tensors[f"{part}.Ks"], chosen.sizes)
    return chosen.with_cameras(cameras)


def digest(*parts: Photos) -> str:
    """Changes when any pixel, name, mask or camera of the photos does."""
    total = hashlib.sha256()
    for photos in parts:
        total.update(f"{len(photos)} photos".encode())
        for name, image, mask in zip(photos.names, photos.images, photos.masks, strict=True):
            total.update(f"{name} {tuple(image.shape)} {mask is not None}".encode())
            _add(total, *(tensor for tensor in (image, mask) if tensor is not None))
        _add(total, *(depth for depth in photos.depths if depth is not None))
        if isinstance(photos, Views):
            _add(total, photos.cameras.camera_from_world, photos.cameras.Ks)
    return total.hexdigest()


def _add(total: "hashlib._Hash", *tensors: torch.Tensor) -> None:
    for tensor in tensors:
        total.update(tensor.cpu().contiguous().numpy().data)

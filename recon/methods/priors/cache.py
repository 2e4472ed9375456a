"""Priors on disk: computed once for a run, read again when it goes on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from recon.checkpoint import load_tensors, save_tensors
from recon.errors import InputError
from recon.methods.priors.depth_range import DepthRangeConfig, find_depth_range
from recon.methods.priors.stereo import StereoConfig, StereoPrior, compute_stereo
from recon.scene import Cameras, Photos, Views


def cached_stereo(
    path: Path | None,
    views: Views,
    stereo: StereoConfig,
    depth_range: DepthRangeConfig,
    on_view: Callable[[int], None],
) -> StereoPrior:
    """The stereo prior of the views, from `path` if it lies there, else computed and, with a path, kept."""
    if path is not None and path.exists():
        return load_stereo(path, views.images[0].device)
    prior = compute_stereo(views, find_depth_range(views, stereo, depth_range), stereo, on_view)
    if path is not None:
        save_stereo(path, prior)
    return prior


def save_stereo(path: Path, prior: StereoPrior) -> None:
    tensors = {f"{i}.depth": d for i, d in enumerate(prior.depths)}
    tensors |= {f"{i}.confidence": c for i, c in enumerate(prior.confidences)}
    tensors |= {f"{i}.consistent": c for i, c in enumerate(prior.consistent)}
    save_tensors(path, tensors, {"depth_range": list(prior.depth_range), "views": len(prior.depths)})


def load_stereo(path: Path, device: torch.device) -> StereoPrior:
    tensors, metadata = load_tensors(path, device)
    views = range(int(metadata["views"]))
    near, far = metadata["depth_range"]
    return StereoPrior(
        depths=tuple(tensors[f"{i}.depth"] for i in views),
        confidences=tuple(tensors[f"{i}.confidence"] for i in views),
        consistent=tuple(tensors[f"{i}.consistent"] for i in views),
        depth_range=(near, far),
    )


def save_cameras(path: Path, photos: Photos, views: Views, held_out: Views) -> None:
    """Cameras of the train views and the held-out ones, with a digest of the photos they were solved from."""
    tensors = {
        f"{part}.{name}": tensor
        for part, cameras in (("train", views.cameras), ("test", held_out.cameras))
        for name, tensor in (("camera_from_world", cameras.camera_from_world), ("Ks", cameras.Ks))
    }
    metadata = {"photos": digest(photos), "train": list(views.names), "test": list(held_out.names)}
    save_tensors(path, tensors, metadata)


def load_cameras(path: Path, photos: Photos, held_out: Photos) -> tuple[Views, Views]:
    """The views that `save_cameras` kept. Raises InputError if the photos are not the same any more."""
    tensors, metadata = load_tensors(path, torch.device("cpu"))
    if metadata["photos"] != digest(photos):
        raise InputError(
            f"The photos have changed since {path} was made; begin anew with --overwrite, or put the photos "
            "back as they were."
        )
    return tuple(  # type: ignore[return-value]  # two parts, two views
        _with_cameras(part, tensors, metadata[name], name)
        for name, part in (("train", photos), ("test", held_out))
    )


def _with_cameras(photos: Photos, tensors: dict[str, torch.Tensor], names: list[str], part: str) -> Views:
    chosen = photos.select([photos.names.index(name) for name in names])
    cameras = Cameras(tensors[f"{part}.camera_from_world"], tensors[f"{part}.Ks"], chosen.sizes)
    return chosen.with_cameras(cameras)


def digest(photos: Photos) -> str:
    """Changes when any pixel or name of the photos does."""
    total = hashlib.sha256()
    for name, image in zip(photos.names, photos.images, strict=True):
        total.update(f"{name} {tuple(image.shape)}".encode())
        total.update(image.cpu().contiguous().numpy().data)
    return total.hexdigest()

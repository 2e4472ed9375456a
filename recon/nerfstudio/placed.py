"""Photos with cameras as files that every nerfstudio method can read, made once for each set of photos."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from recon import datasets
from recon.datasets import DataConfig
from recon.datasets.nerfstudio import read as read_transforms
from recon.events import Watch
from recon.exporting.cameras import photo_files, write_views
from recon.files import atomic_file, writing
from recon.methods.priors.cache import digest, load_cameras, save_cameras
from recon.methods.priors.poses_types import PosesConfig
from recon.placing import posed_views
from recon.scene import Photos, Scene, Views


@dataclass(frozen=True)
class Placed:
    """Views, and the files that show them: without distortion, at the size that is fitted."""

    views: Views
    photos: tuple[Path, ...]
    """8-bit PNG, one a view."""
    masks: tuple[Path, ...] | None
    """8-bit PNG, white where the photo counts, one a view; None if no view has a mask."""


def default_cache() -> Path:
    """Where solved cameras and prepared photos are kept: recon/nerfstudio in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recon" / "nerfstudio"


def place(photos: DataConfig, poses: PosesConfig, cache: Path, watch: Watch) -> tuple[Placed, Placed]:
    """The views to fit and those held out. Cameras are those that came with the photos, or solved from them,
    which is done once: `cache` keeps them under what the photos and the options are.

    Raises InputError for everything that is wrong with the photos, or with the folder of the cache."""
    scene = load_scene(photos)
    folder = cache / hashlib.sha256(f"{digest(scene.train, scene.test)} {poses}".encode()).hexdigest()[:16]
    cameras = folder / "cameras.safetensors"
    if cameras.is_file():
        views = load_cameras(cameras, (scene.train, scene.test))
    else:
        views = posed_views(scene, poses, watch)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        save_cameras(cameras, (scene.train, scene.test), views)
    return prepare(folder / "train", views[0]), prepare(folder / "held_out", views[1])


def load_scene(photos: DataConfig) -> Scene:
    """The photos of a folder; of a run's folder, with its cameras, those that were fitted and held out."""
    held_out = photos.path / "held_out"
    if not all((folder / "transforms.json").is_file() for folder in (photos.path, held_out)):
        return datasets.load(photos)
    test = read_transforms(DataConfig(held_out, max_size=photos.max_size)).train
    return Scene(datasets.load(photos).train, test)


def prepare(folder: Path, views: Views) -> Placed:
    """The files of the views, written unless they are there: transforms.json, the last of them, tells."""
    photos = tuple(photo_files(folder, views))
    masks = tuple(folder / "masks" / path.name for path in photos) if any_mask(views) else None
    if not (folder / "transforms.json").is_file():
        if masks is not None:
            write_masks(masks, views)
        write_views(folder, views)
    return Placed(views, photos, masks)


def any_mask(photos: Photos) -> bool:
    return any(mask is not None for mask in photos.masks)


def write_masks(paths: tuple[Path, ...], views: Views) -> None:
    """White where the photo counts; all white for photos without a mask."""
    for path, mask, (width, height) in zip(paths, views.masks, views.sizes, strict=True):
        counts = torch.ones(height, width, dtype=torch.bool) if mask is None else mask
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            Image.fromarray(counts.to(torch.uint8).mul(255).numpy()).save(file, "PNG")

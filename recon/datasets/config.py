"""What the user says about the photos."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True)
class DataConfig:
    """Photos to reconstruct, and which of them to hold out."""

    path: tyro.conf.Positional[Path]
    """Folder of photos, or a COLMAP, nerfstudio, LLFF, Blender, DTU or SpaRe data set."""
    layout: Literal["auto", "photos", "colmap", "nerfstudio", "llff", "blender", "dtu"] = "auto"
    """How the folder is laid out; auto looks for poses_bounds.npy (llff), transforms.json (nerfstudio),
    transforms_train.json (blender), photos named as DTU's or SpaRe's (dtu) and COLMAP's cameras file, in that
    order, and else takes its photos."""
    max_size: int = 512
    """Longer side of the fitted images in pixels; larger photos are reduced, none is enlarged."""
    views: int | None = None
    """How many train views, spread evenly over the names that are not held out; all of them if not given."""
    test_every: int = 0
    """Hold out every n-th image by name, from the first; 0: none, except that blender, and llff with views
    given, hold out every 8th as their protocols do."""
    spread: Literal["round", "truncate"] = "round"
    """How the positions of evenly spread train views become whole numbers: rounded half to even, or cut."""
    train_ids: tuple[int, ...] = ()
    """Fit exactly these, in place of views: positions by name from 0, or in the dtu layout its views' numbers
    from 0."""
    test_ids: tuple[int, ...] = ()
    """Hold out exactly these; with train_ids."""
    only: tuple[str, ...] = ()
    """Use just these photos: file names, with or without extension."""
    held_out: Path | None = None
    """Folder of photos held out for evaluation (photos layout only)."""
    masks: Path | None = None
    """Folder of masks named as the photos, white where the photo counts; if not given, a folder `masks`
    inside the photos' folder or beside it is used."""
    sensor_depth: Literal["auto", "none"] | Path = "auto"
    """Depth maps of a phone's sensor, to help where the photos show no texture: 16-bit PNG in millimetres or
    .npy in metres, named as the photos, in a folder `depth` inside theirs or beside it, or where a
    transforms.json says (depth_file_path); or the folder that holds them. Held-out photos' are not read."""
    llff_factor: int = 8
    """Which reduced folder the llff layout reads: images_8 as the protocol says; 1 reads images."""
    blender_views: Literal["dietnerf", "3dgs"] = "dietnerf"
    """Which published list of 8 train views the blender layout takes for views = 8."""

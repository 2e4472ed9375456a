"""Sparse points of views whose cameras are known."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from recon.methods.priors.poses_features import (
    MIN_MATCHES,
    Features,
    extract,
    known_lens,
    matched_database,
    pictures_from_images,
    quiet_colmap,
)
from recon.methods.priors.poses_points import SparsePoints, paint, read_observations
from recon.scene import Cameras, Views

if TYPE_CHECKING:
    import pycolmap


def triangulate(views: Views, seed: int = 0) -> SparsePoints:
    """Points that two or more views see, in the views' world; their cameras are taken as exact.

    Empty where the photos do not match."""
    model, features = triangulated_model(views, seed)
    order = range(len(views))
    xyz, observations = read_observations(model, order, [found.descriptors for found in features])
    return paint(xyz, observations, views, views.sizes)


def triangulated_model(views: Views, seed: int = 0) -> tuple["pycolmap.Reconstruction", list[Features]]:
    """COLMAP's points with their tracks and reprojection errors, and the features; view i is image i + 1."""
    pictures = pictures_from_images(views)
    features = extract(pictures, thorough=False)
    lenses = [known_lens(K) for K in views.cameras.Ks.double().cpu().numpy()]
    with matched_database(pictures, features, lenses, guided=False, seed=seed) as database_path:
        return _triangulate(database_path, _posed(database_path, views.cameras, features)), features


def _posed(database_path: Path, cameras: Cameras, features: Sequence[Features]) -> "pycolmap.Reconstruction":
    """A reconstruction of poses and keypoints without points, numbered as the database is."""
    import pycolmap

    model = pycolmap.Reconstruction()
    poses = cameras.camera_from_world.double().cpu().numpy()
    with quiet_colmap(), pycolmap.Database.open(database_path) as database:
        for camera in database.read_all_cameras():
            model.add_camera_with_trivial_rig(camera)
        for index, found in enumerate(features):
            image_id = index + 1
            image = pycolmap.Image(
                name=f"{index:03d}",
                keypoints=found.uv.astype(np.float64),
                camera_id=database.read_image(image_id).camera_id,
                image_id=image_id,
            )
            rotation = pycolmap.Rotation3d(poses[index, :3, :3])
            model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(rotation, poses[index, :3, 3]))
    return model


def _triangulate(database_path: Path, posed: "pycolmap.Reconstruction") -> "pycolmap.Reconstruction":
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.min_num_matches = MIN_MATCHES
    options.extract_colors = False
    options.ba_refine_focal_length = False
    options.triangulation.ignore_two_view_tracks = False
    with TemporaryDirectory(prefix="recon-poses-") as folder, quiet_colmap():
        return pycolmap.triangulate_points(posed, database_path, folder, folder, options=options)

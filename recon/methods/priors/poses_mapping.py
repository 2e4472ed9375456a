"""COLMAP's mappers, tuned for three to nine photos: try several, keep the best, polish it.

The defaults expect hundreds of photos: they drop points seen by two views, which are most of ours, and models
of fewer than ten.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from recon.lens import Lens, simple_radial
from recon.methods.priors.poses_features import MIN_MATCHES, quiet_colmap

if TYPE_CHECKING:
    import pycolmap

MIN_ANGLE = 1.5
"""Degrees between the rays of a point that is kept; under it depth is noise. COLMAP's own limit."""
MIN_PARALLAX = 2.0
"""Median degrees under which nothing moved: two photos turned by 10 degrees on the spot can be explained by a
wrong focal length and a curved wall, seen under just over `MIN_ANGLE`."""
FIRST_PAIR_ANGLES = (16.0, 4.0)
"""Least median angle in degrees between the rays of the first pair: COLMAP's default, and its last resort."""
FOCAL_RANGE = (0.4, 4.0)
"""Focal lengths that are believed, in longer sides: 104 to 14 degrees across."""
MAX_ERROR = 2.0
"""Pixels of reprojection error at which a point leaves the final adjustment; the mappers keep up to 4."""
LOSS_SCALE = 1.0
"""Pixels at which the final adjustment begins to distrust a keypoint."""


def best_model(database_path: Path, count: int, seed: int) -> "pycolmap.Reconstruction | None":
    """The reconstruction with the most of `count` photos, of those the one with most points; None if no two
    photos go together. The slow global mapper is asked only where the incremental ones leave photos out."""
    best = None
    for mapper in (_incremental(database_path, seed), _global(database_path, seed)):
        for model in mapper:
            if best is None or rank(model) > rank(best):
                best = model
        if best is not None and best.num_reg_images() == count:
            break
    return best if best is not None and best.num_reg_images() >= 2 else None


def rank(model: "pycolmap.Reconstruction") -> tuple[int, int, float]:
    """Photos, then points, then accuracy."""
    return model.num_reg_images(), model.num_points3D(), -model.compute_mean_reprojection_error()


def _incremental(database_path: Path, seed: int) -> Iterator["pycolmap.Reconstruction"]:
    import pycolmap

    for angle in FIRST_PAIR_ANGLES:
        options = pycolmap.IncrementalPipelineOptions()
        options.random_seed = options.mapper.random_seed = seed
        options.num_threads = options.mapper.num_threads = 1  # sums in another order end in other digits
        options.min_num_matches = MIN_MATCHES
        options.min_model_size = 2
        options.extract_colors = False
        options.min_focal_length_ratio, options.max_focal_length_ratio = FOCAL_RANGE
        options.triangulation.ignore_two_view_tracks = False
        options.mapper.init_min_num_inliers = 2 * MIN_MATCHES
        options.mapper.init_min_tri_angle = angle
        options.mapper.filter_min_tri_angle = MIN_ANGLE
        options.mapper.abs_pose_min_num_inliers = MIN_MATCHES
        with TemporaryDirectory(prefix="recon-poses-") as folder, quiet_colmap():
            models = pycolmap.incremental_mapping(database_path, folder, folder, options)
        yield from models.values()


def _global(database_path: Path, seed: int) -> Iterator["pycolmap.Reconstruction"]:
    import pycolmap

    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = seed
    options.num_threads = options.mapper.num_threads = 1
    options.min_num_matches = MIN_MATCHES
    options.min_model_size = 2
    options.mapper.min_tri_angle_deg = MIN_ANGLE
    options.mapper.track_min_num_views_per_track = 2
    options.mapper.global_positioning.min_num_view_per_track = 2
    options.mapper.bundle_adjustment.min_track_length = 2
    options.mapper.retriangulation.ignore_two_view_tracks = False
    with TemporaryDirectory(prefix="recon-poses-") as folder, quiet_colmap():
        models = pycolmap.global_mapping(database_path, folder, folder, options)
    yield from models.values()


def polish(model: "pycolmap.Reconstruction", *, refine_focal: bool = True) -> None:
    """Final bundle adjustment over poses, points and focal lengths, twice: without the outliers of the first.

    Of the intrinsics only focal lengths are free, where they are not known: on few photos the principal point
    and lens distortion trade against the poses: `poses_bundle.free_lenses` frees them afterwards, under a
    prior.
    """
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.refine_focal_length = refine_focal
    options.refine_principal_point = options.refine_extra_params = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.loss_function_scale = LOSS_SCALE
    options.ceres.solver_options.function_tolerance = 1e-7  # relative; COLMAP's 0 runs on for nothing
    options.ceres.solver_options.num_threads = 1
    _adjust(model, options)
    for point_id in [key for key, point in model.points3D.items() if point.error > MAX_ERROR]:
        model.delete_point3D(point_id)
    _adjust(model, options)


def _adjust(model: "pycolmap.Reconstruction", options: "pycolmap.BundleAdjustmentOptions") -> None:
    import pycolmap

    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    with quiet_colmap():  # pycolmap.bundle_adjustment would log all the same
        pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    model.update_point_3d_errors()


def has_parallax(model: "pycolmap.Reconstruction") -> bool:
    """Whether the cameras moved enough for depth, by the median of the widest angles between points' rays."""
    centres = {index: model.images[index].projection_center() for index in model.reg_image_ids()}
    angles = [
        _widest_angle(np.stack([centres[element.image_id] for element in point.track.elements]) - point.xyz)
        for point in model.points3D.values()
    ]
    return len(angles) >= MIN_MATCHES and float(np.median(angles)) >= MIN_PARALLAX


def _widest_angle(rays: np.ndarray) -> float:
    """Degrees between the two of the (k, 3) rays that differ most."""
    unit = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((unit @ unit.T).min(), -1, 1))))


def reprojection_error(model: "pycolmap.Reconstruction", index: int) -> float:
    """Mean distance in pixels between the points that photo `index` sees and its keypoints."""
    image = model.images[index + 1]
    seen = image.get_observation_points2D()
    xyz = np.stack([model.points3D[keypoint.point3D_id].xyz for keypoint in seen])
    in_camera = xyz @ image.cam_from_world().rotation.matrix().T + image.cam_from_world().translation
    uv = np.asarray(camera_of(image).img_from_cam(in_camera))
    return float(np.linalg.norm(uv - np.stack([keypoint.xy for keypoint in seen]), axis=1).mean())


def camera_of(image: "pycolmap.Image") -> "pycolmap.Camera":
    """The camera that took an image of a reconstruction."""
    camera = image.camera
    assert camera is not None, "images of a reconstruction have cameras"
    return camera


def lens_of(image: "pycolmap.Image") -> Lens:
    """What took an image: a SIMPLE_PINHOLE or SIMPLE_RADIAL camera of COLMAP's."""
    camera = camera_of(image)
    k1 = camera.params[3] if len(camera.params) > 3 else 0.0
    return simple_radial((camera.width, camera.height), camera.calibration_matrix(), float(k1))

"""From photos to a run folder that holds everything, and nothing of what was held out."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import QUICK, assert_no_result, assert_refused, call_recon, save_noise, save_posed_scene
from PIL import Image

from recon import datasets
from recon.checkpoint import load_tensors, save_tensors
from recon.config import TrainConfig
from recon.datasets import DataConfig
from recon.errors import InputError, ReconError
from recon.events import Step
from recon.exporting import read_ply
from recon.gaussians import Gaussians
from recon.methods.camera_refinement import CameraRefinementConfig
from recon.methods.priors.cache import digest, load_cameras, save_cameras
from recon.methods.table import METHODS
from recon.pipeline import check_finite
from recon.placing import place_cameras
from recon.rendering.cpu import rasterize_cpu
from recon.run_folder import RunFolder
from recon.scene import Cameras, Photos, Views


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_posed_scene(tmp_path_factory.mktemp("scene") / "photos", photos=5)


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    outcome = call_recon("train", photos, *QUICK, "--test-every", 4, "--output", folder)
    assert outcome.code == 0, outcome.err
    return folder


def test_a_run_folder_holds_what_the_design_says(run):
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {
        *("config.yaml", "metrics.json", "point_cloud.ply", "transforms.json", "report.html"),
        *("priors/stereo.safetensors", "checkpoints/latest.safetensors"),
        *("images/1.png", "images/2.png", "images/3.png", "held_out/0.png", "held_out/4.png"),
        *("held_out/images/0.png", "held_out/images/4.png", "held_out/transforms.json"),
    }


def test_metrics_say_what_was_measured_and_what_decides_it(run):
    report = json.loads((run / "metrics.json").read_text())
    assert report["train"] == ["1.png", "2.png", "3.png"]
    assert list(report["per_view"]) == ["0.png", "4.png"]
    for metric in ("psnr", "ssim"):
        mean = np.mean([scores[metric] for scores in report["per_view"].values()])
        assert report[metric] == pytest.approx(mean)
    assert report["psnr"] > 12
    assert (report["steps"], report["finished"], report["seed"]) == (30, True, 0)
    assert (report["method"], report["engine"]) == ("recon", "cpu")
    assert set(report["seconds"]) == {"photos", "cameras", "stereo", "fit", "export", "evaluation"}
    assert report["gaussians"] == len(read_ply(run / "point_cloud.ply"))
    assert report["commit"] and report["machine"] and report["peak_memory_gb"] > 0


def test_the_run_folder_is_itself_a_data_set_of_the_fitted_views(run, photos):
    fitted = datasets.load(DataConfig(run)).train
    given = datasets.load(DataConfig(photos, test_every=4)).train
    assert isinstance(fitted, Views) and isinstance(given, Views)
    assert fitted.names == given.names
    assert torch.allclose(fitted.cameras.camera_from_world, given.cameras.camera_from_world, atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(fitted.images, given.images, strict=True))


def test_held_out_photos_lie_beside_what_the_scene_shows(run, photos):
    pair = np.asarray(Image.open(run / "held_out" / "4.png"))
    assert pair.shape == (36, 96, 3)
    assert np.array_equal(pair[:, 48:], np.asarray(Image.open(photos / "4.png")))


def test_held_out_photos_change_nothing_in_the_scene(run, photos, tmp_path):
    """Whatever they show: they reach neither a prior nor the fit."""
    other = tmp_path / "photos"
    other.mkdir()
    for file in photos.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    save_noise(other / "0.png", 0, 48, 36)
    save_noise(other / "4.png", 1, 48, 36)
    outcome = call_recon("train", other, *QUICK, "--test-every", 4, "--output", tmp_path / "run")
    assert outcome.code == 0
    assert (tmp_path / "run" / "point_cloud.ply").read_bytes() == (run / "point_cloud.ply").read_bytes()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["psnr"] < 12


def test_without_held_out_photos_there_are_no_scores(photos, tmp_path):
    outcome = call_recon("train", photos, *QUICK, "--max-steps", 1, "--output", tmp_path / "run")
    assert outcome.code == 0
    report = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (report["psnr"], report["per_view"]) == (None, {})
    assert "PSNR" not in outcome.out


def test_a_fit_that_diverges_is_stopped_and_leaves_no_result(photos, tmp_path):
    rates = ("--fit.rates.log-scales", "1e20", "--fit.rates.sh0", "1e38", "--fit.rates.means", "1e30")
    outcome = call_recon("train", photos, *QUICK, *rates, "--output", tmp_path / "run")
    assert_refused(outcome, 1, "no number by step 5", "learning rates")
    assert_no_result(tmp_path / "run")


def step_of(loss: float, *means: float) -> Step:
    rows = torch.tensor(means)[:, None].expand(-1, 3)
    g = len(rows)
    others = (torch.ones(g, 4), torch.ones(g, 3), torch.ones(g), torch.ones(g, 1, 3), torch.ones(g, 0, 3))
    return Step(7, 9, {"stereo_depth": torch.tensor(loss)}, Gaussians(rows, *others))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_named_with_its_step(value):
    with pytest.raises(ReconError, match="The stereo_depth loss became .* by step 7"):
        check_finite(step_of(value, 1.0))
    with pytest.raises(ReconError, match="The means of every Gaussian became .* by step 7"):
        check_finite(step_of(0.5, value, value))


def test_a_single_gaussian_that_is_lost_does_not_end_the_fit():
    check_finite(step_of(0.5, math.nan, 1.0))
    check_finite(step_of(0.5))


def as_photos(views: Views) -> Photos:
    return Photos(views.images, views.names, views.masks, paths=views.paths, focal_priors=views.focal_priors)


def test_solved_cameras_come_back_for_the_photos_that_were_placed(truth, tmp_path):
    views = truth.views
    photos = as_photos(views.select([0, 1])), as_photos(views.select([2]))
    placed = views.select([1]), views.select([2])
    save_cameras(tmp_path / "cameras", photos, placed)
    for saved, loaded in zip(placed, load_cameras(tmp_path / "cameras", photos), strict=True):
        assert loaded.names == saved.names
        assert torch.equal(loaded.cameras.camera_from_world, saved.cameras.camera_from_world)
        assert torch.equal(loaded.cameras.Ks, saved.cameras.Ks)
        assert digest(loaded) == digest(saved)


def test_cameras_that_an_earlier_version_kept_are_read(truth, tmp_path):
    views = truth.views
    photos = as_photos(views.select([0, 1])), as_photos(views.select([2]))
    tensors = {
        f"{part}.{name}": tensor
        for part, cameras in (("train", views.cameras.select([0, 1])), ("test", views.cameras.select([2])))
        for name, tensor in (("camera_from_world", cameras.camera_from_world), ("Ks", cameras.Ks))
    }
    names = {"train": list(views.names[:2]), "test": list(views.names[2:])}
    save_tensors(tmp_path / "cameras", tensors, {"photos": digest(*photos), **names})
    train, test = load_cameras(tmp_path / "cameras", photos)
    assert digest(train) == digest(views.select([0, 1])) and digest(test) == digest(views.select([2]))
    assert train.lenses == ()
    save_cameras(tmp_path / "again", photos, (train, test))
    (kept, said), (before, said_before) = (
        load_tensors(tmp_path / name, torch.device("cpu")) for name in ("again", "cameras")
    )
    assert said == said_before and kept.keys() == before.keys()


def test_solved_cameras_are_of_these_photos_alone(truth, tmp_path):
    views = truth.views
    train, test = as_photos(views.select([0, 1])), as_photos(views.select([2]))
    save_cameras(tmp_path / "cameras", (train, test), (views.select([0, 1]), views.select([2])))
    darker = replace(train, images=tuple(image * 0.9 for image in train.images))
    for changed in ((darker, test), (train, test.select([]))):
        with pytest.raises(InputError, match="The photos have changed since .*cameras was made"):
            load_cameras(tmp_path / "cameras", changed)


def test_a_digest_sees_every_part_of_a_photo(truth):
    views = truth.views
    masks = (torch.ones(views.images[0].shape[:2], dtype=torch.bool), None, None)
    cameras = Cameras(views.cameras.camera_from_world + 1e-6, views.cameras.Ks, views.sizes)
    variants = [
        views,
        views.select([0, 1]),
        views.select([1, 0, 2]),
        replace(views, names=("a", "b", "c")),
        replace(views, masks=masks),
        replace(views, masks=(~masks[0], None, None)),
        replace(views, images=(views.images[0] + 1e-6, *views.images[1:])),
        replace(views, cameras=cameras),
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)


def test_given_poses_that_nothing_betters_stay_and_the_user_is_told(photos, run, tmp_path):
    outcome = call_recon(
        "train", photos, *QUICK, "--test-every", 4, "--refine-poses", "--output", tmp_path / "run"
    )
    assert outcome.code == 0, outcome.err
    assert "The cameras stay as they were" in " ".join(outcome.err.split())
    assert (tmp_path / "run" / "priors" / "cameras.safetensors").exists()
    written = (tmp_path / "run" / "transforms.json").read_text()
    assert written == (run / "transforms.json").read_text()


def test_free_cameras_are_tested_and_aligned_scores_stand_beside_the_others(photos, tmp_path):
    folder = tmp_path / "run"
    options = ("--test-every", 4, "--refinement.rounds", 1, "--refinement.steps", 6, "--alignment.steps", 3)
    outcome = call_recon("train", photos, *QUICK, *options, "--output", folder)
    assert outcome.code == 0, outcome.err
    assert "share of the pixels on which views agree" in " ".join(outcome.err.split())
    report = json.loads((folder / "metrics.json").read_text())
    assert report["psnr_aligned"] > 10 and report["ssim_aligned"] != report["ssim"]
    assert report["lpips_aligned"] is None and report["psnr"] != report["psnr_aligned"]
    assert (folder / "priors" / "cameras.safetensors").exists()


def test_held_out_cameras_move_along_with_refined_ones(photos, tmp_path, monkeypatch):
    scene = datasets.load(DataConfig(photos, test_every=4))
    turn = torch.eye(4)
    turn[:2, :2] = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    turn[:3, 3] = torch.tensor([1.0, 2.0, 3.0])

    def turned(cameras: Cameras) -> Cameras:
        return replace(cameras, camera_from_world=cameras.camera_from_world @ turn)

    monkeypatch.setattr("recon.placing.fitted_cameras", lambda views, *_: turned(views.cameras))
    asked = replace(CameraRefinementConfig(), rounds=1)
    config = TrainConfig(DataConfig(photos), "recon", METHODS["recon"][1], refinement=asked)
    run = RunFolder(tmp_path)
    placed = place_cameras(scene, run, config, torch.device("cpu"), rasterize_cpu, lambda event: None)
    for views, before in zip(placed, (scene.train, scene.test), strict=True):
        torch.testing.assert_close(
            views.cameras.camera_from_world, turned(before.cameras).camera_from_world, atol=1e-5, rtol=0
        )

"""What the colours of the modes say."""

import math

import pytest
import torch
from two_colours import DISTANCE, two_coloured_wall

from recon.gaussians import Gaussians
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras
from recon.support import Support
from recon.viewer import ViewerScene
from recon.viewer.paint import FALSE_COLOURS, SUPPORT_COLOURS, TURBO, normals, paint
from recon.viewer.stage import Stage

ORIGIN = torch.zeros(3)


def eye() -> Cameras:
    K = torch.tensor([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    return Cameras(torch.eye(4)[None], K[None], ((100, 100),))


def row_at(depths: list[float]) -> Gaussians:
    """Gaussians on the axis."""
    count = len(depths)
    means = torch.zeros(count, 3)
    means[:, 2] = torch.tensor(depths)
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    scales = torch.tensor([0.1, 0.1, 0.01]).repeat(count, 1)
    return Gaussians(
        means, quats, scales.log(), torch.zeros(count), torch.zeros(count, 1, 3), torch.zeros(count, 3, 3)
    )


def test_depth_runs_from_blue_to_red_in_even_steps_of_disparity():
    gaussians = row_at([1.0, 4 / 3, 2.0, 4.0, -1.0])
    painted = paint("Depth", gaussians, eye())
    turbo = torch.from_numpy(TURBO)
    places = [int((turbo - rgb).norm(dim=1).argmin()) for rgb in painted.rgb]
    assert places[0] == 0 and places[3] == 255
    assert places[1] == pytest.approx(255 / 3, abs=12) and places[2] == pytest.approx(510 / 3, abs=12)
    assert TURBO[20, 2] > TURBO[20, 0] and TURBO[240, 0] > TURBO[240, 2]
    assert "scene units" in painted.legend


def test_depth_of_an_empty_picture_has_a_legend_too():
    assert paint("Depth", row_at([-2.0]), eye()).rgb.isfinite().all()


def test_normals_are_the_short_axes_towards_the_eye():
    gaussians = row_at([3.0, -3.0, 3.0])
    with torch.no_grad():
        gaussians.quats[2] = 2 * torch.tensor([math.cos(math.pi / 8), 0, math.sin(math.pi / 8), 0])
    found = normals(gaussians, ORIGIN)
    torch.testing.assert_close(found[:2], torch.tensor([[0.0, 0, -1], [0, 0, 1]]))
    turned = torch.tensor([-(0.5**0.5), 0, -(0.5**0.5)])
    torch.testing.assert_close(found[2], turned)


def test_support_says_how_many_and_darkens_with_the_angle():
    gaussians = row_at([2.0, 2.0, 2.0])
    seen = torch.tensor([[False, True, True], [False, False, True], [False, False, True]])
    centres = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0]])
    front = paint("Support", gaussians, eye(), Support(seen, centres)).rgb
    torch.testing.assert_close(front, torch.tensor(SUPPORT_COLOURS)[[0, 1, 3]])
    aside = Cameras(torch.eye(4)[None].clone(), eye().Ks, eye().sizes)
    aside.camera_from_world[0, 0, 3] = -3.0
    dark = paint("Support", gaussians, aside, Support(seen, centres)).rgb
    torch.testing.assert_close(dark[0], front[0])
    assert (dark[1:].sum(1) < 0.6 * front[1:].sum(1)).all()


@pytest.fixture(scope="module")
def stage() -> Stage:
    gaussians, views = two_coloured_wall()
    return Stage(ViewerScene.from_views(gaussians, views), rasterize_reference)


def test_what_is_shown_does_not_change_with_the_fit():
    gaussians, views = two_coloured_wall()
    stage = Stage(ViewerScene.from_views(gaussians, views), None)
    before = stage.shown.gaussians.means.clone()
    with torch.no_grad():
        gaussians.means += 1
    torch.testing.assert_close(stage.shown.gaussians.means, before)
    snapshot = gaussians.snapshot()
    stage.show(snapshot)
    with torch.no_grad():
        gaussians.means += 1
    torch.testing.assert_close(stage.shown.gaussians.means, before + 1)


def test_a_scene_that_the_fit_prunes_before_it_is_renewed_can_be_painted():
    """As FitStarted hands it over: nobody looked on since, so no later moment has been shown."""
    gaussians, views = two_coloured_wall()
    stage = Stage(ViewerScene.from_views(gaussians, views), None)
    for name, value in list(gaussians.named_parameters()):
        setattr(gaussians, name, torch.nn.Parameter(value.detach()[::3]))
    painted = stage.paint("Colour", stage.shown, eye(), len(stage.shown.splats))
    assert len(painted.rgb) == len(stage.shown.splats) == 3 * len(gaussians)


def test_an_eye_stands_where_a_photo_was_taken_if_it_looks_there(stage: Stage):
    place = stage.standpoints[1]
    assert stage.photo_at(place.position, place.look_at) == 1
    assert stage.photo_at(place.position, place.position + 3 * (place.look_at - place.position)) == 1
    assert stage.photo_at(place.position, 2 * place.position - place.look_at) is None
    assert stage.photo_at(place.position + 0.1, place.look_at + 0.1) is None
    assert stage.photo_at(place.position, place.position) is None


def test_the_server_draws_the_photo_from_its_place(stage: Stage):
    _, views = two_coloured_wall()
    rendering, legend = stage.draw("Colour", stage.shown, views.cameras.select([1]), near=0.01)
    inner = slice(6, -6)
    error = (rendering.rgb - views.images[1])[inner, inner].abs()
    assert error.median() < 0.03 and legend == ""


@pytest.mark.parametrize("mode", [*FALSE_COLOURS, "Opacity"])
def test_a_mode_is_drawn_alike_by_engine_and_by_splats(stage: Stage, mode: str):
    """The wall has one depth, one normal, and is opaque: one colour all over, but for what sees it."""
    camera = stage.scene.cameras.select([0])
    rendering, legend = stage.draw(mode, stage.shown, camera, near=0.01)
    splats = stage.shown.splats.first(500)
    painted = stage.paint(mode, stage.shown, camera, len(splats))
    assert painted.rgb.shape == (500, 3)
    assert legend == painted.legend
    middle = int(
        splats.indices[
            torch.cdist(
                torch.tensor([[0.0, 0, DISTANCE]]), stage.shown.gaussians.means[splats.indices]
            ).argmin()
        ]
    )
    whole = stage.paint(mode, stage.shown, camera).rgb[middle]
    height, width = rendering.rgb.shape[:2]
    torch.testing.assert_close(rendering.rgb[height // 2, width // 2].clamp(0, 1), whole, atol=0.08, rtol=0)

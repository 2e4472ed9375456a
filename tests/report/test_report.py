"""report.html: one file, nothing fetched, names harmless, pictures of what is known, words of what is not."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from synthetic import Truth

from recon.events import CamerasSolved, PhotoRow, Step
from recon.gaussians import Gaussians
from recon.lens import simple_radial
from recon.report import Journal, page
from recon.report.advice import advice
from recon.report.maps import Maps, depth_picture, support, support_picture
from recon.report.write import _distortion


def test_a_script_hears_json_alone(tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    outcome = call_recon("train", photos, *QUICK, "--output", tmp_path / "run", "--quiet", "--json")
    assert outcome.code == 0
    assert outcome.err == ""
    assert json.loads(outcome.out) == json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_a_person_is_told_the_end_in_five_lines(tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos", photos=4)
    run = tmp_path / "run"
    outcome = call_recon("train", photos, *QUICK, "--test-every", "4", "--output", run)
    lines = outcome.out.splitlines()
    assert len(lines) == 5
    assert re.match(r"[\d,]+ Gaussians from 3 photos in 30 steps$", lines[0])
    assert re.match(r"\d+ s \(.*\), at most [\d.]+ GB$", lines[1])
    assert re.match(r"Held-out photos \(1\): PSNR [\d.]+ dB, SSIM [\d.]+$", lines[2])
    assert lines[3].endswith(str(run / "report.html")) and lines[4].endswith(f"recon view {run}")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    photos = save_posed_scene(folder / "photos", photos=4)
    outcome = call_recon("train", photos, *QUICK, "--test-every", "4", "--output", folder / "run")
    assert outcome.code == 0, outcome.err
    return (folder / "run" / "report.html").read_text()


def test_every_run_ends_with_a_report_that_fetches_nothing(report: str):
    assert len(re.findall(r'<img src="data:image/jpeg;base64,', report)) == 3 * 4 + 2
    assert "http" not in report and "url(" not in report
    assert not re.findall(r'(?:src|href)="(?!data:)', report)


def test_counts_come_first_and_each_section_is_there(report: str):
    headings = re.findall(r"<h2>(.*?)</h2>", report)
    assert report.index('class="counts"') < report.index("<h2>")
    assert headings == [
        "What would make it better",
        "Cameras",
        "What each photo supports",
        "Photos that were held out",
        "Losses",
        "Time and memory",
        "Settings",
    ]
    assert "<polyline" in report


def test_no_local_path_leaves_with_the_report(report: str):
    assert "/tmp/" not in report and "/home/" not in report


def test_cameras_and_points_are_given_to_the_drawing(report: str):
    text = re.search(r'id="scene-data">(.*?)</script>', report, flags=re.S)
    assert text
    scene = json.loads(text[1])
    assert [camera["held_out"] for camera in scene["cameras"]] == [False] * 3 + [True]
    assert len(scene["points"]) == len(scene["colours"]) > 20
    assert all(len(camera["corners"]) == 5 for camera in scene["cameras"])


def test_a_distortion_that_was_undone_is_said_in_one_sentence(truth: Truth):
    views = truth.views.select([0, 1])
    assert _distortion(views) == ""
    lenses = [
        simple_radial(size, K.numpy(), k1)
        for size, K, k1 in zip(views.sizes, views.cameras.Ks, (0.0312, 0.0), strict=True)
    ]
    said = _distortion(replace(views, lenses=tuple(lenses)))
    assert "k1 = 0.031" in said and "undistorted photo" in said and said.count(".</p>") == 1
    lenses[1] = simple_radial(views.sizes[1], views.cameras.Ks[1].numpy(), -0.02)
    assert "k1 from -0.020 to 0.031" in _distortion(replace(views, lenses=tuple(lenses)))


def test_the_matrix_of_matches_shows_who_shares_what_and_where_nothing_is_shared():
    html = page.matrix("Matches", ["a", "<b>", "c"], [(0, 1500, 0), (1500, 0, 7), (0, 7, 0)])
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in html.split("</tr>")[1:-1]]
    assert rows == [["", "1,500", "0"], ["1,500", "", "7"], ["0", "7", ""]]
    assert html.count('class="none"') == 2 and "&lt;b&gt;" in html
    assert page.matrix("Matches", [], [])


def test_names_cannot_become_code():
    name = '</script><img src=x onerror="alert(1)">'
    html = page.page(
        name,
        {name: page.counts({name: name}) + page.bullets([name]) + page.table((name,), [(name, name)])},
        {"cameras": [{"name": name}]},
    )
    assert "<img" not in html
    assert html.count("</script>") == 2


def test_support_counts_the_photos_that_see_a_surface(truth: Truth):
    depths = list(truth.depths)
    for index, co_visible in enumerate(truth.co_visible):
        count = support(index, depths, truth.views.cameras)
        assert count.min() >= 1 and count.max() <= len(depths)
        # At its own edges a surface is seen from between pixels.
        assert ((count > 1) == co_visible).float().mean() > 0.97


def test_no_surface_has_no_support(truth: Truth):
    depths = list(truth.depths)
    depths[0] = depths[0].clone()
    depths[0][:10] = 0
    count = support(0, depths, truth.views.cameras)
    assert (count[:10] == 0).all() and (count[10:] > 0).all()


def test_pictures_tell_near_from_far_and_one_from_many():
    depth = torch.linspace(1, 4, 40).repeat(4, 1)
    depth[:, 0] = 0
    picture = depth_picture(depth)
    assert (picture[:, 0] == 0.5).all()
    assert (picture[:, 2].sum(-1) > picture[:, -1].sum(-1)).all()
    assert torch.isfinite(depth_picture(torch.zeros(3, 3))).all()
    colours = support_picture(torch.tensor([[0, 1, 2, 3, 4, 9]]))[0]
    assert len(colours.unique(dim=0)) == 5 and torch.equal(colours[4], colours[5])


def maps_of(truth: Truth, lonely: str = "") -> list[Maps]:
    """All surfaces seen by three photos, but for one side."""
    maps = []
    for depth in truth.depths:
        count = torch.full(depth.shape, 3)
        if lonely == "left":
            count[:, : depth.shape[1] // 3] = 1
        maps.append(Maps(torch.zeros(*depth.shape, 3), depth, count))
    return maps


def said(truth: Truth, journal: Journal | None = None, lonely: str = "", psnr: float | None = 30.0) -> str:
    views = truth.views
    return " ".join(
        advice(journal or Journal(), views.names, maps_of(truth, lonely), views.cameras, psnr, True)
    )


def test_good_photos_are_praised(truth: Truth):
    assert "nothing is amiss" in said(truth)


def test_the_side_that_one_photo_sees_is_named(truth: Truth):
    assert f"the left of {truth.views.names[0]}" in said(truth, lonely="left")
    assert "right" not in said(truth, lonely="left")


def test_lost_photos_bad_scores_and_too_small_a_step_are_told(truth: Truth):
    journal = Journal()
    journal(CamerasSolved((PhotoRow("lost.jpg", 10, 0, False, None),), ()))
    assert "lost.jpg could not be placed" in said(truth, journal)
    assert "15.0 dB" in said(truth, psnr=15.0)
    assert "one photo alone" in said(truth.select(0))
    assert "nearly one spot" in said(truth.select(0, 0))


def test_what_makes_the_cameras_uncertain_comes_before_photos_to_take_again(truth: Truth):
    journal = Journal()
    lost = PhotoRow("lost.jpg", 10, 0, False, None)
    journal(CamerasSolved((lost,), (), "The photos show one flat surface."))
    told = said(truth, journal)
    assert 0 <= told.index("one flat surface") < told.index("lost.jpg")
    assert "amiss" not in told


def test_the_journal_passes_on_what_it_hears_and_keeps_late_losses_in_step():
    gaussians = Gaussians(
        *(torch.zeros(1, n) for n in (3, 4, 3)), torch.zeros(1), *[torch.zeros(1, 1, 3)] * 2
    )
    heard = []
    journal = Journal(heard.append)
    for step in range(1, 76):
        losses = {"photometric": torch.tensor(1 / step)} | ({"late": torch.tensor(2.0)} if step > 30 else {})
        journal(Step(step=step, max_steps=75, losses=losses, gaussians=gaussians))
    assert len(heard) == 75
    assert journal.steps == [1, 25, 50, 75]
    assert journal.losses["late"] == [0.0, 0.0, 2.0, 2.0]
    assert len(journal.losses["photometric"]) == 4


def test_curves_of_a_term_that_is_zero_are_left_out():
    assert "polyline" not in page.curves([1, 25], {"off": [0.0, 0.0]})
    drawn = page.curves([1, 25, 50], {"on": [1.0, 0.5, 0.25], "off": [0.0, 0.0, 0.0]})
    assert drawn.count("polyline") == 1 and "off" not in drawn

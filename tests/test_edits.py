"""What a person cuts away."""

import math
from pathlib import Path

import pytest
import torch

from recon.edits import FILE, Box, Edits, kept, neighbours, read_edits, write_edits
from recon.errors import InputError
from recon.exporting import write_ply
from recon.exporting.clean import CleanConfig
from recon.exporting.source import load_source
from recon.gaussians import Gaussians


def gaussians_at(means: torch.Tensor) -> Gaussians:
    count = len(means)
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    return Gaussians(
        means,
        quats,
        torch.zeros(count, 3),
        torch.zeros(count),
        torch.zeros(count, 1, 3),
        torch.zeros(count, 0, 3),
    )


def test_no_edits_leave_everything():
    assert kept(gaussians_at(torch.randn(20, 3)), Edits()).all()


def test_a_turned_box_keeps_what_lies_within_it():
    half = math.sqrt(0.5)
    box = Box((-1.0, -1.0, -1.0), (1.0, 2.0, 1.0), ((half, half, 0.0), (-half, half, 0.0), (0.0, 0.0, 1.0)))
    along_its_y = torch.tensor([-half, half, 0])
    points = torch.stack(
        [1.9 * along_its_y, 2.1 * along_its_y, -1.1 * along_its_y, torch.tensor([0, 0, 1.5])]
    )
    assert kept(gaussians_at(points), Edits(box)).tolist() == [True, False, False, False]


def test_faint_gaussians_go():
    gaussians = gaussians_at(torch.zeros(2, 3))
    with torch.no_grad():
        gaussians.logit_opacities[:] = torch.tensor([0.2, 0.4]).logit()
    assert kept(gaussians, Edits(min_opacity=0.3)).tolist() == [False, True]


def test_neighbours_are_those_of_the_cells_around():
    generator = torch.Generator().manual_seed(0)
    points = torch.cat(
        [torch.rand(400, 3, generator=generator) * 20, torch.randn(200, 3, generator=generator)]
    )
    ordered = points.sort(dim=0).values
    side = float((ordered[569] - ordered[29]).max()) / 64
    cells = ((points - ordered[299]) / side).floor()
    apart = (cells[:, None] - cells[None]).abs().amax(dim=-1)
    assert neighbours(points).tolist() == ((apart <= 1).sum(dim=1) - 1).tolist()


def test_a_floater_far_from_a_surface_goes_and_the_surface_stays():
    x, y = torch.meshgrid(torch.linspace(0, 1, 80), torch.linspace(0, 1, 80), indexing="ij")
    wall = torch.stack([x.flatten(), y.flatten(), torch.zeros(6400)], dim=1)
    floaters = torch.tensor([[0.5, 0.5, 0.4], [0.2, 0.3, -0.6], [1e9, 0, 0]])
    keep = kept(gaussians_at(torch.cat([wall, floaters])), Edits(min_neighbours=3))
    assert keep[:6400].all() and not keep[6400:].any()


def test_edits_come_back_from_the_run_folder(tmp_path: Path):
    assert read_edits(None) == read_edits(tmp_path) == Edits()
    edits = Edits(
        Box((-1.5, 0.0, 1e30), (2.0, 3.0, 4.0), ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))), 3, 0.25
    )
    write_edits(tmp_path, edits)
    assert read_edits(tmp_path) == edits


def test_an_export_leaves_out_what_was_cut_away_and_says_so(tmp_path: Path):
    means = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    gaussians = gaussians_at(means)
    with torch.no_grad():
        gaussians.log_scales -= 4
    write_ply(tmp_path / "point_cloud.ply", gaussians)
    above = Box((-1e30, -1e30, 0.0), (1e30, 1e30, 1e30))
    write_edits(tmp_path, Edits(above))
    source = load_source(tmp_path, CleanConfig(), keep_frame=True)
    torch.testing.assert_close(source.gaussians.means.detach(), means[means[:, 2] >= 0])
    assert source.removed["cut away in the viewer"] == int((means[:, 2] < 0).sum())
    assert len(load_source(tmp_path, CleanConfig(), keep_all=True).gaussians) == 40


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"box": null, "min_neighbours": 0}',
        '{"box": {"low": [0, 0], "high": [1, 1, 1], "axes": [[1,0,0],[0,1,0],[0,0,1]]},'
        ' "min_neighbours": 0, "min_opacity": 0}',
        '{"box": {"low": [0, 0, NaN], "high": [1, 1, 1], "axes": [[1,0,0],[0,1,0],[0,0,1]]},'
        ' "min_neighbours": 0, "min_opacity": 0}',
        '{"box": {"low": [0, 0, 0], "high": [1, 1, 1], "axes": [[1,0,0],[1,0,0],[0,0,1]]},'
        ' "min_neighbours": 0, "min_opacity": 0}',
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: str):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(InputError, match="edits.json is damaged"):
        read_edits(tmp_path)

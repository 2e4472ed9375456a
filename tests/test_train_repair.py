"""Training of the painter at tiny sizes: it runs, resumes exactly, and its samples are what they say."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")

import train_repair  # noqa: E402
from repair_samples import draw_sample, hidden  # noqa: E402

from recon.errors import InputError, MachineError  # noqa: E402
from recon.methods.repair.painter import PainterConfig  # noqa: E402
from recon.methods.repair.painter_weights import load_painter  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def options(tmp_path: Path) -> train_repair.Options:
    """Worlds change with every other step."""
    return train_repair.Options(
        output=tmp_path,
        steps=4,
        batch=2,
        side=32,
        size=(32, 64),
        warm_up=2,
        worlds=1,
        samples_a_world=4,
        textures=8,
        texture_size=16,
        held_out=1,
        log_every=1,
        evaluate_every=3,
        network=PainterConfig(width=16),
    )


def test_a_run_cut_in_two_is_the_run_in_one_piece(options: train_repair.Options, tmp_path: Path):
    whole = train_repair.train(options)
    cut = replace(options, output=tmp_path / "cut")
    train_repair.train(replace(cut, stop_after=2))
    resumed = train_repair.train(replace(cut, resume=cut.output / "state.safetensors"))
    assert whole.step == resumed.step == 4
    for part in ("network", "mean"):
        pairs = zip(getattr(whole, part).parameters(), getattr(resumed, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    told = {key for line in lines for key in line}
    assert {"parameters", "samples_a_second", "loss", "smooth", "mean", "sampled", "weights"} <= told
    exported = load_painter(tmp_path / "painter.safetensors")
    for a, b in zip(exported.parameters(), whole.mean.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    other = replace(options, resume=tmp_path / "log.jsonl")
    with pytest.raises(InputError, match="log.jsonl"):
        train_repair.train(other)


def test_a_run_without_time_for_a_step_says_so_and_leaves_no_state(options: train_repair.Options):
    with pytest.raises(MachineError, match="--minutes"):
        train_repair.train(replace(options, minutes=0.01))
    assert not (options.output / "state.safetensors").exists()


@pytest.mark.slow
def test_a_run_may_count_its_steps_by_the_clock(options: train_repair.Options, monkeypatch):
    monkeypatch.setattr(train_repair, "PACED", 4)
    monkeypatch.setattr(train_repair, "RESERVE", 1.0)
    state = train_repair.train(replace(options, steps=0, minutes=0.4))
    lines = [json.loads(line) for line in (options.output / "log.jsonl").read_text().splitlines()]
    counted = next(line["steps"] for line in lines[1:] if "steps" in line)
    assert 4 < state.step <= counted


def test_samples_are_pieces_of_the_worlds_and_of_the_seed(options: train_repair.Options):
    ring = train_repair.Source(replace(options, size=(64, 96)), CPU).ring
    ring.advance(0)
    sample = draw_sample(ring, 4, 32, seed=1)
    assert sample.pictures.shape == sample.seen.shape == (4, 3, 32, 32)
    assert set(sample.unseen.unique().tolist()) == {0.0, 1.0}
    assert all(torch.equal(a, b) for a, b in zip(sample, draw_sample(ring, 4, 32, seed=1), strict=True))
    assert not torch.equal(sample.pictures, draw_sample(ring, 4, 32, seed=2).pictures)
    sharp = (sample.pictures == sample.seen).flatten(1).all(1)
    many = draw_sample(ring, 24, 32, seed=3)
    sharp = (many.pictures == many.seen).flatten(1).all(1)
    assert sharp.any() and not sharp.all(), "some are shown as they are, some as a fit draws them"


def test_what_a_near_thing_hides_lies_beside_it_and_not_on_it():
    near = torch.zeros(64, 1, 8, 60)
    near[..., 20:40] = 1
    found = hidden(near, torch.Generator().manual_seed(0))
    assert found[..., 20:40].max() == 0
    left, right = found[..., :20].flatten(1).any(1), found[..., 40:].flatten(1).any(1)
    assert left.any() and right.any() and not (left & right).any()
    assert found[..., :8].max() == 0 and found[..., 52:].max() == 0, "no further than it moves"

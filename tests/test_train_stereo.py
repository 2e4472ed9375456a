"""Training of the stereo network at tiny sizes: it runs, resumes exactly, and learns a world by heart."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import stereo_held_out  # noqa: E402
import train_stereo  # noqa: E402
from stereo_gradients import Gradients  # noqa: E402
from stereo_losses import edge_loss, log_error, masked_mean, plane_loss, stereo_losses  # noqa: E402
from stereo_samples import draw_sample, range_around  # noqa: E402
from stereo_state import load_state, new_state  # noqa: E402
from weak_texture import weak_texture  # noqa: E402

from recon.errors import InputError, MachineError  # noqa: E402
from recon.methods.priors.learned.network import NetworkConfig, inverse_depth  # noqa: E402
from recon.methods.priors.learned.weights import load_network  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def options(tmp_path: Path) -> train_stereo.Options:
    """The large size comes with the last step; worlds change with every other step."""
    return train_stereo.Options(
        output=tmp_path,
        steps=4,
        batch=2,
        small=(32, 32),
        large=(32, 64),
        large_share=0.25,
        warm_up=2,
        worlds=1,
        samples_a_world=4,
        textures=8,
        texture_size=16,
        held_out=1,
        log_every=1,
        network=NetworkConfig(width=8, planes=8, steps=2),
    )


def test_a_run_cut_in_two_is_the_run_in_one_piece(options: train_stereo.Options, tmp_path: Path):
    whole = train_stereo.train(options)
    cut = replace(options, output=tmp_path / "cut")
    train_stereo.train(replace(cut, stop_after=2))
    resumed = train_stereo.train(replace(cut, resume=cut.output / "state.safetensors"))
    assert whole.step == resumed.step == 4
    for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(whole.mean.parameters(), resumed.mean.parameters(), strict=True):
        assert torch.equal(a, b)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    told = {key for line in lines for key in line}
    assert {"parameters", "samples_a_second", "loss", "inliers_3", "weights"} <= told
    exported = load_network(tmp_path / "stereo.safetensors")
    for a, b in zip(exported.parameters(), whole.mean.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
    other = new_state(NetworkConfig(width=16, planes=8, steps=2), 0, CPU, 1e-3)
    with pytest.raises(InputError, match="--network"):
        load_state(tmp_path / "state.safetensors", other)
    with pytest.raises(InputError, match="log.jsonl"):
        load_state(tmp_path / "log.jsonl", other)


@pytest.mark.slow
def test_two_processes_stay_of_one_mind(options: train_stereo.Options, tmp_path: Path):
    """Started by torchrun as on two GPUs: worlds of their own, the same weights after every step."""
    script = Path(train_stereo.__file__)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    told = ["--steps 4 --batch 2 --small 32 32 --large 32 64 --large-share 0.25 --warm-up 2 --worlds 1"]
    told += ["--samples-a-world 4 --textures 8 --texture-size 16 --held-out 1 --log-every 1"]
    told += ["--network.width 8 --network.planes 8 --network.steps 2 --output", str(tmp_path)]
    subprocess.run(
        [*command, str(script), *" ".join(told).split()], check=True, timeout=120, capture_output=True
    )
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[0]["devices"] == 2 and lines[0]["batch"] == 4
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    alone = train_stereo.train(replace(options, output=tmp_path / "alone"))
    both = new_state(options.network, 0, CPU, options.rate)
    load_state(tmp_path / "state.safetensors", both)
    moved = [
        (a - b).abs().max() for a, b in zip(alone.mean.parameters(), both.mean.parameters(), strict=True)
    ]
    assert max(moved) > 0  # of other samples


def test_gradients_are_one_buffer_scaled_to_a_norm(options: train_stereo.Options, tmp_path: Path):
    """A process that saw two samples has the mean gradient of two that saw one each."""
    network = new_state(options.network, 0, CPU, options.rate).network
    sample = draw_sample(train_stereo.Source(options, CPU).ring(0), batch=2, sources=1, seed=0, hard=False)
    gradients = Gradients(network)
    gradients.start(sample, 0.3)
    norm = float(gradients.flat.norm())
    assert gradients.finish(1e9) == (True, False)
    assert float(gradients.flat.norm()) == pytest.approx(norm)
    first = next(network.parameters()).grad
    assert first is not None and first.data_ptr() == gradients.flat.data_ptr()
    gradients.start(sample, 0.3, stop=True)
    assert gradients.finish(0.5 * norm) == (True, True)
    assert float(gradients.flat.norm()) == pytest.approx(0.5 * norm, rel=1e-3)
    gradients.start(sample._replace(images=sample.images * torch.nan), 0.3)
    assert gradients.finish(1.0)[0] is False


def test_gradients_of_two_processes_are_averaged(
    options: train_stereo.Options, monkeypatch: pytest.MonkeyPatch
):
    gradients = Gradients(new_state(options.network, 0, CPU, options.rate).network)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda buffer: buffer.mul_(2))  # two of one mind
    gradients.flat.fill_(0.5)
    assert gradients.finish(1e9) == (True, False)
    assert gradients.flat.unique().tolist() == [0.5]


def test_every_process_has_samples_of_its_own(options: train_stereo.Options):
    first, again, second = (train_stereo.Source(options, CPU, rank).sample(0) for rank in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert first.images.shape == second.images.shape and not torch.equal(first.images, second.images)


def test_a_run_without_time_for_a_step_says_so_and_leaves_no_state(options: train_stereo.Options):
    with pytest.raises(MachineError, match="--minutes"):
        train_stereo.train(replace(options, minutes=0.01))
    assert not (options.output / "state.safetensors").exists()


@pytest.mark.slow
@pytest.mark.soak
def test_a_world_is_learnt_by_heart(options: train_stereo.Options):
    options = replace(
        options,
        steps=10_000,
        batch=4,
        small=(64, 64),
        large_share=0.0,
        warm_up=5,
        rate=1e-3,
        samples_a_world=10**6,
    )
    source = train_stereo.Source(options, CPU)
    state = new_state(NetworkConfig(width=8, planes=16, steps=2), 0, CPU, options.rate)
    sample = draw_sample(source.ring(0), batch=4, sources=2, seed=0, hard=False)

    def losses() -> dict[str, float]:
        with torch.no_grad():
            output = stereo_held_out.run_network(state.network, sample)
            return {name: float(part) for name, part in stereo_losses(output, sample, 0.3).items()}

    before = losses()
    gradients = Gradients(state.network)
    for _ in range(50):
        assert train_stereo.train_step(state, source, gradients, options)[1]
    after = losses()
    assert after["full"] < 0.7 * before["full"]
    assert after["planes"] < 0.85 * before["planes"]
    assert after["scale"] < before["scale"]


def test_samples_are_true_to_their_worlds(options: train_stereo.Options):
    """At the true depth a source's own depth map agrees where it is said to see, and nowhere else."""
    ring = train_stereo.Source(replace(options, small=(64, 96)), CPU).ring(0)
    sample = draw_sample(ring, batch=3, sources=3, seed=1, hard=False)
    assert 0.05 < float(sample.visible.mean()) < 1
    assert set(sample.visible.unique().tolist()) <= {0.0, 1.0}
    again = draw_sample(ring, batch=3, sources=3, seed=1, hard=False)
    assert torch.equal(sample.images, again.images)
    from recon.methods.priors.learned.warping import sample_source

    inverse = sample.inverse_depth.clamp_min(1e-3)
    errors = []
    for source in range(3):
        warped, _ = sample_source(sample.images[:, 1 + source], sample.homographies[:, source], inverse)
        difference = (warped[:, :, 0] - sample.images[:, 0]).abs().mean(dim=1)
        errors.append([difference[sample.visible[:, source] == k].median() for k in (1, 0)])
    seen, hidden = torch.tensor(errors).mean(dim=0).tolist()
    assert seen < 0.05 and hidden > 2 * seen


def test_hard_samples_differ_in_everything_but_the_truth(options: train_stereo.Options):
    ring = train_stereo.Source(options, CPU).ring(0)
    easy, hard = (draw_sample(ring, batch=4, sources=2, seed=3, hard=h) for h in (False, True))
    assert torch.equal(easy.inverse_depth, hard.inverse_depth)
    assert not torch.equal(easy.images, hard.images)
    assert not torch.equal(easy.homographies, hard.homographies)
    assert 0 <= float(hard.images.min()) and float(hard.images.max()) <= 1
    assert bool((hard.inverse_range[:, 1] > hard.inverse_range[:, 0]).all())


def test_the_range_holds_nearly_all_depths():
    generator = torch.Generator().manual_seed(0)
    inverse = 0.2 + 0.5 * torch.rand(2, 1, 40, 40, generator=generator)
    inverse[:, :, :10] = 0  # nothing stands there
    far, near = range_around(inverse, False, generator).unbind(1)
    known = inverse[inverse > 0]
    assert ((known >= far.min()) & (known <= near.max())).float().mean() > 0.97
    assert far.min() > 0.1 and near.max() < 0.8


def test_losses_vanish_at_the_truth_and_grow_away_from_it():
    limits = torch.tensor([[0.1, 0.9]])
    truth = torch.linspace(0.15, 0.85, 32).reshape(1, 1, 4, 8)
    weight = torch.ones_like(truth)
    assert log_error(truth, truth, limits).abs().max() == 0
    assert log_error(1.1 * truth, truth, limits).min() > 0.05
    constant = torch.full((1, 1, 8, 8), 0.3)
    assert edge_loss(constant, torch.ones_like(constant)) == 0
    assert edge_loss(constant * torch.rand(1, 1, 8, 8), torch.ones_like(constant)) > 0
    planes = torch.linspace(0.1, 0.9, 33)[None, :, None, None]
    right = -40 * (planes - truth).abs()
    assert plane_loss(right, truth, weight, limits) < plane_loss(right.flip(1), truth, weight, limits)
    assert masked_mean(torch.tensor([1.0, 100.0]), torch.tensor([1.0, 0.0])) == 1


def test_the_position_is_a_share_of_the_inverse_range():
    limits = torch.tensor([[0.1, 0.5]])
    position = torch.tensor([0.0, 0.25, 1.0]).reshape(1, 1, 1, 3)
    assert inverse_depth(position, limits).flatten().tolist() == pytest.approx([0.1, 0.2, 0.5])


def test_weak_texture_is_where_the_surroundings_are_of_one_grey():
    image = torch.zeros(1, 3, 32, 64)
    image[..., 32:] = torch.rand(1, 1, 32, 32)
    weak = weak_texture(image)[0, 0]
    assert weak[:, :27].min() == 1 and weak[:, 37:].max() == 0

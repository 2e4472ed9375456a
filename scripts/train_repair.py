"""Trains the painter, which continues pictures where no photo sees, on random worlds that are made meanwhile.

    python scripts/train_repair.py --device cuda --minutes 4 --output runs/repair
    python scripts/train_repair.py --device cuda --minutes 4 --output runs/repair --resume STATE

OUTPUT/state.safetensors     everything needed to go on, exactly: STATE
OUTPUT/painter.safetensors   the mean weights, for --repairing.painter.weights
OUTPUT/log.jsonl             losses, pace, and scores on held-out worlds

A step's worlds and random numbers follow from the seed and its number, so a run that is cut in pieces is the
run in one piece. The schedule spans --steps: once the pace is known, give the number that fits the time.
"""

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import tyro
from repair_samples import Sample, draw_sample
from stereo_options import learning_rate
from stereo_state import TrainingState, first_state, load_state, save_state, update_mean
from torch import Generator, Tensor
from training_log import Log
from worlds.ring import Ring
from worlds.textures import make_bank
from worlds.tracing import trace

from recon.errors import MachineError, ReconError
from recon.methods.priors.learned.weights import parameter_count
from recon.methods.repair.painter import Painter, PainterConfig, smoothly_filled
from recon.methods.repair.painter_flow import flow_loss, painted
from recon.methods.repair.painter_weights import save_painter
from recon.provenance import commit
from recon.seeds import step_seed

HELD_OUT = 500_000
"""Added to the seed: worlds apart from all that are trained on."""
RESERVE = 6.0
"""Seconds kept for the last scores and files."""
NORM = 1.0
"""Gradients are scaled to at most this norm."""
SAMPLE_STEPS = 4
PACED = 60
"""Steps by whose pace the others are counted."""


@dataclass(frozen=True)
class Options:
    """What to train, on what, for how long."""

    output: Path = Path("runs/repair-network")
    resume: Path | None = None
    """State to go on from."""
    device: str = "cpu"
    minutes: float = 4.0
    """Stop after this time, start and end included."""
    steps: int = 2500
    """Length of the schedule, over all runs; 0 takes what fits into the time by the pace of the first steps,
    and such a run cannot be resumed."""
    stop_after: int | None = None
    """Stop after this many steps of the schedule, if the time allows."""
    batch: int = 32
    side: int = 256
    """Of the pieces, in pixels; a multiple of 32."""
    size: tuple[int, int] = (256, 384)
    """Height and width of the worlds' pictures; multiples of 32."""
    rate: float = 6e-4
    """Highest learning rate."""
    warm_up: int = 50
    """Steps until it is reached."""
    worlds: int = 128
    """Worlds at hand."""
    samples_a_world: int = 200
    """Samples drawn for each new world."""
    textures: int = 1024
    texture_size: int = 256
    """Side in texels, a power of two."""
    held_out: int = 16
    """Worlds for the scores."""
    log_every: int = 50
    evaluate_every: int = 500
    compile: bool = True
    """Compile the network and the tracing of worlds (on a GPU)."""
    seed: int = 0
    network: PainterConfig = field(default_factory=PainterConfig)


class Source:
    """Samples by the number of their step."""

    def __init__(self, options: Options, device: torch.device) -> None:
        self.options = options
        tracer = torch.compile(trace, dynamic=False) if options.compile and device.type != "cpu" else trace
        generator = Generator(device=device).manual_seed(options.seed)
        bank = make_bank(options.textures, options.texture_size, generator)
        self.held_out = Ring(bank, options.size, options.held_out, options.seed + HELD_OUT, tracer)
        self.held_out.advance(0)
        self.ring = Ring(bank, options.size, options.worlds, options.seed, tracer)

    def sample(self, step: int) -> Sample:
        options = self.options
        self.ring.advance(step * options.batch // options.samples_a_world)
        return draw_sample(self.ring, options.batch, options.side, step_seed(options.seed, step))


def train_step(state: TrainingState[Painter], source: Source, options: Options) -> Tensor:
    """One step; its loss."""
    sample = source.sample(state.step)
    device = sample.pictures.device
    generator = Generator(device=device).manual_seed(step_seed(options.seed + 1, state.step))
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(state.step, options)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
        loss = flow_loss(state.network, *sample, generator)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), NORM, error_if_nonfinite=True)
    state.optimiser.step()
    update_mean(state)
    state.step += 1
    return loss.detach()


@torch.no_grad()
def held_out_scores(painter: Painter, ring: Ring, side: int) -> dict[str, float]:
    """PSNR of unseen pixels on worlds never trained on: of smooth colours, of the mean, of samples."""
    sample = draw_sample(ring, ring.capacity, side, seed=0)
    errors: dict[str, list[Tensor]] = {"smooth": [], "mean": [], "sampled": []}
    for number, (truth, seen, unseen) in enumerate(zip(*sample, strict=True)):
        made = {"smooth": smoothly_filled(seen[None], 1 - unseen[None])[0]}
        for name, steps in (("mean", 1), ("sampled", SAMPLE_STEPS)):
            made[name] = painted(painter, seen, unseen, Generator().manual_seed(number), steps)
        for name, picture in made.items():
            errors[name].append(((picture - truth) ** 2).mean(0)[unseen[0] > 0].mean())
    return {name: round(float(-10 * torch.stack(parts).mean().log10()), 3) for name, parts in errors.items()}


def train(options: Options) -> TrainingState[Painter]:
    """Until the schedule or the time ends; writes the state, the log and the weights."""
    began = time.monotonic()
    device, log = torch.device(options.device), Log(options.output / "log.jsonl")
    state = first_state(lambda: Painter(options.network), options.seed, device, options.rate)
    if options.compile and device.type != "cpu":
        state.network.compile(dynamic=False)
    count = parameter_count(state.network)
    told = {"batch": options.batch, "steps": options.steps, "rate": options.rate, "commit": commit()}
    log.write(parameters=count, megabytes=round(2e-6 * count, 2), device=str(device), **told)
    if options.resume is not None:
        load_state(options.resume, state)
        log.write(resumed=str(options.resume), step=state.step)
    source = Source(options, device)
    source.sample(state.step)
    log.write(worlds=options.worlds, seconds=round(time.monotonic() - began, 1))
    until = began + 60 * options.minutes - RESERVE
    if not options.steps:
        options = replace(options, steps=fitting_steps(state, source, options, until))
        log.write(steps=options.steps)
    first, last = state.step, min(options.steps, options.stop_after or options.steps)
    marked = time.monotonic()
    while state.step < last and time.monotonic() < until:
        loss = train_step(state, source, options)
        if state.step % options.log_every == 0:
            now, value = time.monotonic(), round(float(loss), 4)
            pace = options.log_every * options.batch / max(now - marked, 1e-9)
            log.write(step=state.step, loss=value, samples_a_second=round(pace, 1))
            state.seconds += now - marked
            marked = now
        if state.step % options.evaluate_every == 0:
            log.write(step=state.step, **held_out_scores(state.mean, source.held_out, options.side))
    if state.step == first:
        raise MachineError(
            f"No step was taken: {state.step} of {options.steps} done, {options.minutes} minutes, of which "
            f"{RESERVE:.0f} s are kept for the end; give more --minutes or --steps, or fewer --worlds."
        )
    state.seconds += time.monotonic() - marked
    finish(state, source, options, log)
    return state


def fitting_steps(state: TrainingState[Painter], source: Source, options: Options, until: float) -> int:
    """Takes the first steps, all of the warm-up, and says how many there is time for in all."""
    warm, half, begin = replace(options, steps=PACED, warm_up=PACED), PACED // 2, 0.0
    for number in range(PACED):
        if number == half:
            begin = time.monotonic()
        float(train_step(state, source, warm))  # waits for the device
    pace = (PACED - half) / (time.monotonic() - begin)
    return state.step + max(1, int(pace * (until - time.monotonic())))


def finish(state: TrainingState[Painter], source: Source, options: Options, log: Log) -> None:
    """The files, and the scores of what they hold."""
    save_state(options.output / "state.safetensors", state)
    path = options.output / "painter.safetensors"
    training = {"steps": state.step, "seconds": round(state.seconds), "seed": options.seed}
    save_painter(path, state.mean, {**training, "commit": commit()})
    scores = held_out_scores(state.mean, source.held_out, options.side)
    log.write(weights=str(path), step=state.step, minutes=round(state.seconds / 60, 2), **scores)


if __name__ == "__main__":
    try:
        train(tyro.cli(Options, description=__doc__))
    except ReconError as error:
        sys.exit(str(error))

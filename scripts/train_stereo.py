"""Trains the stereo network on random worlds that are made meanwhile, on the same device.

    python scripts/train_stereo.py --device cuda --minutes 9 --output runs/stereo
    python scripts/train_stereo.py --device cuda --minutes 9 --output runs/stereo --resume STATE
    torchrun --nproc-per-node 4 scripts/train_stereo.py --device cuda --minutes 9 --output runs/stereo
    python scripts/train_stereo.py --output runs/stereo --resume STATE --export

OUTPUT/state.safetensors     everything needed to go on, exactly: STATE
OUTPUT/stereo.safetensors    the mean weights, as the package ships them
OUTPUT/log.jsonl             losses, pace, and scores on held-out worlds

A step's worlds and random numbers follow from the seed and its number, so a run that is cut in pieces is the
run in one piece on as many devices. The schedule spans --steps: once the pace is known, give the number that
fits the time. Under torchrun every device draws --batch samples a step, from worlds of its own.
"""

import random
import sys
import time
from pathlib import Path

import torch
import tyro
from processes import Processes, together
from stereo_gradients import Gradients
from stereo_held_out import held_out_scores
from stereo_options import Options, batch_size, is_large, learning_rate
from stereo_samples import Sample, draw_sample
from stereo_state import TrainingState, load_state, new_state, save_state, update_mean
from torch import Generator, Tensor
from training_log import Log
from worlds.pictures import Tracer
from worlds.ring import Ring
from worlds.textures import make_bank
from worlds.tracing import trace

from recon.errors import MachineError, ReconError
from recon.methods.priors.learned.weights import parameter_count, save_network
from recon.provenance import commit
from recon.seeds import step_seed

SOURCES, SOURCE_ODDS = (1, 2, 3, 4), (1, 3, 2, 2)
"""Sources of a step's samples, and how often."""
EASY = 0.05
"""Share of the steps that see exact cameras and clean pictures."""
OCCLUDED = (0.2, 0.3)
"""Until this share of the steps, pixels that no source sees count nothing; then this weight."""
RESERVE = 20.0
"""Seconds kept for the last scores and files."""
HELD_OUT = 500_000
"""Added to the seed: worlds apart from all that are trained on."""
MAX_SKIPPED = 10
"""Steps in a row whose gradients are not finite, before training gives up."""
NORM = 1.0
"""Gradients are scaled to at most this norm."""


class Source:
    """Samples by the number of their step, out of rings of worlds; the bank they are painted from."""

    def __init__(self, options: Options, device: torch.device, rank: int = 0) -> None:
        self.options, self.rank = options, rank
        self.tracer: Tracer = trace
        if options.compile and device.type != "cpu":
            self.tracer = torch.compile(trace, dynamic=False)
        generator = Generator(device=device).manual_seed(options.seed)
        self.bank = make_bank(options.textures, options.texture_size, generator)
        self.held_out = Ring(self.bank, options.small, options.held_out, options.seed + HELD_OUT, self.tracer)
        self.held_out.advance(0)
        self._ring: Ring | None = None
        self._prepared: tuple[int, Sample] | None = None

    def ring(self, step: int) -> Ring:
        """The worlds of a step; each process has its own."""
        options = self.options
        size = options.large if is_large(step, options) else options.small
        if self._ring is None or self._ring.size != size:
            self._ring = None  # the memory of the old ring is free before the new one is made
            seed = step_seed(options.seed, self.rank) if self.rank else options.seed
            self._ring = Ring(self.bank, size, options.worlds, seed, self.tracer)
        self._ring.advance(step * options.batch // options.samples_a_world)
        return self._ring

    def prepare(self, step: int) -> None:
        """Draw a step's sample ahead."""
        if step < self.options.steps:
            self._prepared = step, self._draw(step)

    def sample(self, step: int) -> Sample:
        if self._prepared is not None and self._prepared[0] == step:
            return self._prepared[1]
        return self._draw(step)

    def _draw(self, step: int) -> Sample:
        options, seed = self.options, step_seed(self.options.seed, step)
        # The same number in all processes: the slowest sets the pace.
        sources = random.Random(seed).choices(SOURCES, SOURCE_ODDS)[0]
        own = step_seed(seed, self.rank) if self.rank else seed
        return draw_sample(
            self.ring(step), batch_size(step, options), sources, own, hard=step >= EASY * options.steps
        )


def train_step(
    state: TrainingState, source: Source, gradients: Gradients, options: Options, stop: bool = False
) -> tuple[dict[str, Tensor], bool, bool]:
    """One step; the parts of the loss, weighed, whether the weights moved, and whether a process said
    `stop`."""
    step = state.step
    late = step >= OCCLUDED[0] * options.steps
    parts = gradients.start(source.sample(step), OCCLUDED[1] if late else 0.0, stop)
    source.prepare(step + 1)  # while the device computes
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(step, options)
    moved, stop = gradients.finish(NORM)
    if moved:
        state.optimiser.step()
        update_mean(state)
    state.step += 1
    return parts, moved, stop


def export(state: TrainingState, options: Options) -> Path:
    """The mean weights, as the package ships them."""
    path = options.output / "stereo.safetensors"
    training = {
        "steps": state.step,
        "seconds": round(state.seconds),
        "seed": options.seed,
        "commit": commit(),
    }
    save_network(path, state.mean, training)
    return path


def train(options: Options) -> TrainingState:
    """Until the schedule or the time ends; writes the state, the log and the weights."""
    with together(options.device) as processes:
        return _train(options, processes)


def _train(options: Options, processes: Processes) -> TrainingState:
    began = time.monotonic()
    device, first_process = processes.device, processes.rank == 0
    log = Log(options.output / "log.jsonl", silent=not first_process)
    state = new_state(options.network, options.seed, device, options.rate)
    count = parameter_count(state.network)
    log.write(
        parameters=count,
        megabytes=round(2e-6 * count, 2),
        device=str(device),
        devices=processes.count,
        batch=options.batch * processes.count,
        steps=options.steps,
        rate=options.rate,
        commit=commit(),
    )
    if options.resume is not None:
        load_state(options.resume, state)
        log.write(resumed=str(options.resume), step=state.step)
    if options.export:
        log.write(weights=str(export(state, options)))
        return state
    source = Source(options, device, processes.rank)
    source.ring(state.step)
    log.write(worlds=options.worlds, seconds=round(time.monotonic() - began, 1))
    last, first = min(options.steps, options.stop_after or options.steps), state.step
    run = Run(state, source, options, log, processes)
    until, stopped = began + 60 * options.minutes - RESERVE, False
    while state.step < last and not stopped and (state.step > first or time.monotonic() < until):
        stopped = run.step(stop=time.monotonic() > until)
    if state.step == first:
        raise MachineError(
            f"No step was taken: {state.step} of {options.steps} done, {options.minutes} minutes, of which "
            f"{RESERVE:.0f} s are kept for the end; give more --minutes or --steps, or fewer --worlds."
        )
    if first_process:
        run.save()
        run.evaluate()
        weights = str(export(state, options))
        log.write(weights=weights, step=state.step, minutes=round(state.seconds / 60, 2))
    return state


class Run:
    """The steps of one process with what happens every so often between them."""

    def __init__(
        self, state: TrainingState, source: Source, options: Options, log: Log, processes: Processes
    ) -> None:
        self.state, self.source, self.options, self.log = state, source, options, log
        self.gradients, self.processes = Gradients(state.network), processes
        self.saved = options.output / "state.safetensors"
        self.saved_at = time.monotonic()
        self.marked_seconds, self.samples, self.skipped, self.skipped_in_a_row = state.seconds, 0, 0, 0

    def step(self, stop: bool) -> bool:
        """One step with what is due after it; whether a process said `stop`."""
        before = time.monotonic()
        parts, moved, stop = train_step(self.state, self.source, self.gradients, self.options, stop)
        self.samples += batch_size(self.state.step - 1, self.options) * self.processes.count
        self.skipped += not moved
        self.skipped_in_a_row = 0 if moved else self.skipped_in_a_row + 1
        if self.skipped_in_a_row > MAX_SKIPPED:
            raise MachineError(
                f"Gradients were not finite in {self.skipped_in_a_row} steps up to {self.state.step} "
                f"({ {name: float(part) for name, part in parts.items()} }); go on from {self.saved} with a "
                "lower --rate."
            )
        self.state.seconds += time.monotonic() - before
        if self.state.step % self.options.log_every == 0:
            self._mark(parts)
        if self.processes.rank == 0:
            if self.state.step % self.options.evaluate_every == 0:
                self.evaluate()
            if time.monotonic() - self.saved_at > 60 * self.options.checkpoint_every:
                self.save()
        return stop

    def _mark(self, parts: dict[str, Tensor]) -> None:
        seconds = self.state.seconds - self.marked_seconds
        losses = {name: round(float(part), 4) for name, part in parts.items()}
        self.log.write(
            step=self.state.step,
            loss=round(sum(losses.values()), 4),
            **losses,
            rate=round(learning_rate(self.state.step, self.options), 7),
            minutes=round(self.state.seconds / 60, 2),
            samples_a_second=round(self.samples / max(seconds, 1e-9), 1),
            skipped=self.skipped,
        )
        self.marked_seconds, self.samples = self.state.seconds, 0

    def evaluate(self) -> None:
        batch = min(4, self.options.held_out)
        scores = held_out_scores(
            self.state.mean, self.source.held_out, batch, -(-self.options.held_out // batch)
        )
        self.log.write(step=self.state.step, **scores)

    def save(self) -> None:
        save_state(self.saved, self.state)
        self.saved_at = time.monotonic()


if __name__ == "__main__":
    try:
        train(tyro.cli(Options, description=__doc__))
    except ReconError as error:
        sys.exit(str(error))

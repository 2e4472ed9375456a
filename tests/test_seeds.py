"""Every seed and every step has its own random numbers."""

import torch

from recon.seeds import step_seed


def first_number(seed: int, step: int) -> float:
    generator = torch.Generator().manual_seed(step_seed(seed, step))
    return torch.rand((), generator=generator, dtype=torch.float64).item()


def test_no_two_steps_of_any_two_runs_draw_the_same():
    drawn = {first_number(seed, step) for seed in range(20) for step in range(50)}
    assert len(drawn) == 20 * 50


def test_a_step_of_a_run_always_draws_the_same():
    assert first_number(7, 123) == first_number(7, 123)


def test_large_and_negative_seeds_are_seeds_too():
    assert len({first_number(seed, 0) for seed in (-1, 0, 2**31, 2**31 + 1)}) == 4

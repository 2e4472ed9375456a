"""Seeds for random numbers that depend on the run and the step alone, so that a fit can be resumed."""


def step_seed(seed: int, step: int) -> int:
    """The seed of one step (or epoch) of a run; neighbouring seeds share none within a million steps.

    In 32 bits: torch's generator on the CPU drops higher ones, where `seed << 32 | step` would have it."""
    return (seed * 1_000_003 + step) % 2**32

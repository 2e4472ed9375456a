"""Past its edge a photo goes on as its own pixels say it would."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recon.continuation import (
    continue_past_edge,
    doubling,
    learn_continuation,
    nonnegative_weights,
    outer_mean,
)

WIDTH, HEIGHT = 160, 120


def noise(cell: int, seed: int, width: int = WIDTH) -> Tensor:
    """(h, w, 3) of patches of about `cell` pixels, from black to white."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, HEIGHT // cell + 2, width // cell + 2, generator=generator)
    full = F.interpolate(coarse, size=(HEIGHT + 2 * cell, width + 2 * cell), mode="bilinear")[0]
    return full[:, cell : cell + HEIGHT, cell : cell + width].permute(1, 2, 0).contiguous()


def to_the_right(distance: float, width: int = WIDTH) -> Tensor:
    """Places so far beyond the right edge, one a row."""
    rows = torch.arange(HEIGHT) + 0.5
    return torch.stack([torch.full_like(rows, width + distance), rows], dim=-1)


def test_one_colour_goes_on():
    image = torch.full((HEIGHT, WIDTH, 3), 0.3)
    continued = continue_past_edge(image, to_the_right(50.0), learn_continuation([image], 64.0))
    torch.testing.assert_close(continued, torch.full_like(continued, 0.3))


@pytest.mark.parametrize("cell", [6, 24])
def test_what_was_cut_off_is_predicted_better_than_by_the_edge_or_the_mean(cell: int):
    """The photos are cut at 160 of 220 pixels; what lay beyond is known."""
    whole = [noise(cell, seed, width=220) for seed in range(6)]
    cut = [image[:, :WIDTH] for image in whole]
    continuation = learn_continuation(cut, 64.0)
    errors = {"continued": 0.0, "edge": 0.0, "mean": 0.0}
    for distance in (4, 8, 16, 32):
        for image, full in zip(cut, whole, strict=True):
            truth = full[:, WIDTH + distance]
            guesses = {
                "continued": continue_past_edge(image, to_the_right(distance + 0.5), continuation),
                "edge": image[:, -1],
                "mean": outer_mean(image).expand_as(truth),
            }
            for name, guess in guesses.items():
                errors[name] += float((guess - truth).square().mean())
    assert errors["continued"] < errors["mean"] and errors["continued"] < 0.8 * errors["edge"]


def test_fine_patterns_fade_sooner_than_coarse_ones():
    def kept(cell: int) -> float:
        images = [noise(cell, seed) for seed in range(4)]
        continuation = learn_continuation(images, 64.0)
        edge = continue_past_edge(images[0], to_the_right(16.0), continuation)
        return float((edge - outer_mean(images[0])).square().mean() / images[0].var())

    assert kept(6) < 0.5 * kept(40)


def test_an_object_in_the_middle_does_not_colour_what_lies_beyond():
    image = torch.full((HEIGHT, WIDTH, 3), 0.4)
    image[35:85, 45:115] = torch.tensor([1.0, 0.0, 0.0])
    continued = continue_past_edge(image, to_the_right(60.0), learn_continuation([image], 64.0))
    torch.testing.assert_close(continued, torch.full_like(continued, 0.4), atol=1e-3, rtol=0)


def test_all_sides_and_corners_are_continued_from_their_own_edge():
    image = torch.full((HEIGHT, WIDTH, 3), 0.5)
    image[:40, :40] = 0.0
    image[-40:, -40:] = 1.0
    places = torch.tensor([[-3, -3], [WIDTH + 3, HEIGHT + 3], [WIDTH // 2, -3], [-3, HEIGHT - 9]]).float()
    grey = continue_past_edge(image, places, learn_continuation([image], 64.0)).mean(-1)
    torch.testing.assert_close(grey, torch.tensor([0.0, 1.0, 0.5, 0.5]), atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("first", "last", "steps"), [(4.0, 3.0, [4]), (4.0, 8.0, [4, 8]), (4.0, 33.0, [4, 8, 16, 32])]
)
def test_steps_double(first: float, last: float, steps: list[float]):
    assert doubling(first, last) == steps


def test_a_photo_of_few_pixels_is_continued():
    image = torch.rand(12, 16, 3, generator=torch.Generator().manual_seed(0))
    continued = continue_past_edge(image, torch.tensor([[20.0, 5.0]]), learn_continuation([image], 6.0))
    assert continued.isfinite().all()


def test_the_mean_is_that_of_the_outer_quarters():
    image = torch.full((HEIGHT, WIDTH, 3), 0.4)
    image[HEIGHT // 4 : -HEIGHT // 4, WIDTH // 4 : -WIDTH // 4] = 1.0
    torch.testing.assert_close(outer_mean(image), torch.full((3,), 0.4))


def test_what_varies_in_the_middle_alone_teaches_nothing():
    image = torch.full((HEIGHT, WIDTH, 3), 0.4)
    image[HEIGHT // 3 : -HEIGHT // 3, WIDTH // 3 : -WIDTH // 3] = torch.tensor([1.0, 0.0, 0.2])
    plain = torch.full_like(image, 0.4)
    learnt = [learn_continuation([photo], 4.0).weights.nonzero() for photo in (image, plain)]
    assert torch.equal(*learnt)


def test_no_square_counts_negatively():
    within = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    weights = nonnegative_weights(within, torch.tensor([0.8, 0.2], dtype=torch.float64))
    assert weights[1] == 0 and weights[0].item() == pytest.approx(0.8, abs=0.01)

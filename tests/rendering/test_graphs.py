"""A graphed loss is the loss: same values, same gradients, however often it is called."""

import pytest
import torch
from torch import Tensor

from recon.rendering.graphs import graphed


def bare_loss(a: Tensor, b: Tensor | None, weight: float) -> Tensor:
    difference = a if b is None else a - b
    return weight * difference.square().sin().mean()


def inputs(seed: int, device: str, size: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, size, 30, generator=generator)
    return a.to(device).requires_grad_(), b.to(device)


def value_and_gradient(loss, a: Tensor, b: Tensor | None, weight: float) -> tuple[Tensor, Tensor]:
    result = loss(a, b, weight)
    (gradient,) = torch.autograd.grad(3 * result, a)
    return result.detach(), gradient


def check(device: str) -> None:
    loss = graphed(bare_loss)
    for seed in range(4):
        for size, weight in ((20, 0.5), (20, 2.0), (25, 0.5)):
            a, b = inputs(seed, device, size)
            for other in (b, None):
                torch.testing.assert_close(
                    value_and_gradient(loss, a, other, weight),
                    value_and_gradient(bare_loss, a, other, weight),
                )


def test_on_the_cpu_the_function_is_called_as_it_is():
    check("cpu")


@pytest.mark.gpu
def test_on_a_gpu_values_and_gradients_are_those_of_the_function():
    check("cuda")


@pytest.mark.gpu
def test_a_result_that_is_kept_stays_and_calls_before_the_backward_pass_do_not_disturb_each_other():
    loss = graphed(bare_loss)
    (a, b), (c, d) = inputs(0, "cuda"), inputs(1, "cuda")
    first, second = loss(a, b, 1.0), loss(c, d, 1.0)
    (first + second).backward()
    expected = [value_and_gradient(bare_loss, x, y, 1.0) for x, y in ((a, b), (c, d))]
    for result, x, (value, gradient) in zip((first, second), (a, c), expected, strict=True):
        torch.testing.assert_close(result.detach(), value)
        torch.testing.assert_close(3 * x.grad, gradient)
    kept = loss(a, b, 1.0)
    kept.backward()
    before = kept.item()
    loss(c, d, 1.0).backward()
    assert kept.item() == before


@pytest.mark.gpu
def test_without_gradients_no_graph_is_needed():
    loss = graphed(bare_loss)
    a, b = inputs(0, "cuda")
    with torch.no_grad():
        torch.testing.assert_close(loss(a, b, 1.0), bare_loss(a, b, 1.0))

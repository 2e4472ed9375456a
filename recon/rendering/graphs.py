"""Losses replayed as CUDA graphs: at a photo's size their many kernels cost less than launching them."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R", bound=Tensor)


def graphed(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a pure function of tensors and plain values, with one tensor as its result, replay a captured
    graph wherever gradients are wanted on a CUDA device; elsewhere it is called as it is. Tensors go by
    position.

    One graph is captured for each combination of shapes and values. It writes to the same memory at every
    replay: a second call before the backward pass of the first is therefore not replayed. The function must
    not wait for the device, draw random numbers or build tensors from Python values."""
    graphs: dict[tuple[object, ...], Callable[..., Tensor]] = {}
    awaited: set[tuple[object, ...]] = set()  # graphs whose backward pass is still to come

    @wraps(function)
    def call(*arguments: P.args, **settings: P.kwargs) -> R:
        given = [t for t in arguments if isinstance(t, Tensor)]
        replays = torch.is_grad_enabled() and any(t.is_cuda and t.requires_grad for t in given)
        key = (*(_kind(a) for a in arguments), *sorted(settings.items()))
        if not replays or key in awaited:
            return function(*arguments, **settings)
        if key not in graphs:
            graphs[key] = _capture(function, arguments, settings)
        awaited.add(key)
        # A copy: the next replay overwrites the result, and a caller may keep it.
        result = graphs[key](*given).clone()
        result.register_hook(lambda _: awaited.discard(key))
        return result  # pyright: ignore[reportReturnType]

    return call


def _kind(argument: object) -> object:
    if not isinstance(argument, Tensor):
        return argument
    return (argument.shape, argument.dtype, argument.device, argument.requires_grad)


def _capture(
    function: Callable[..., Tensor], arguments: tuple[object, ...], settings: dict[str, object]
) -> Callable[..., Tensor]:
    """A graph of the function on copies of the tensors, which stay its inputs."""

    def on_tensors(*tensors: Tensor) -> Tensor:
        given = iter(tensors)
        return function(*(next(given) if isinstance(a, Tensor) else a for a in arguments), **settings)

    samples = tuple(
        a.detach().clone().requires_grad_(a.requires_grad) for a in arguments if isinstance(a, Tensor)
    )
    with warnings.catch_warnings():
        # Of the samples' own gradients, which nobody reads.
        warnings.filterwarnings("ignore", "The AccumulateGrad node's stream does not match")
        return torch.cuda.make_graphed_callables(  # pyright: ignore[reportReturnType]
            on_tensors, samples, allow_unused_input=True
        )

"""Gradients of the stereo network's losses: one buffer, filled by CUDA graphs, averaged over processes.

A step at the sizes of training is some 5000 kernels, and launching them takes longer than running them.
"""

from typing import NamedTuple

import torch
import torch.distributed as dist
from stereo_held_out import run_network
from stereo_losses import WEIGHTS, stereo_losses
from stereo_samples import Sample
from torch import Tensor

from recon.methods.priors.learned.network import StereoNetwork

WARM_UP = 2
"""Passes before a graph is captured, in which libraries choose their kernels."""


class Captured(NamedTuple):
    """A graph with what it reads and writes."""

    graph: torch.cuda.CUDAGraph
    sample: Sample
    occluded: Tensor
    parts: dict[str, Tensor]


class Gradients:
    """The buffer that every parameter's `grad` is a part of, so that clearing, exchanging and measuring them
    is one call each; and what fills it."""

    def __init__(self, network: StereoNetwork) -> None:
        parameters = list(network.parameters())
        self.network = network
        # The last place is for the votes of the processes: whether to stop.
        self._buffer = parameters[0].new_zeros(1 + sum(p.numel() for p in parameters))
        self.flat, self._votes = self._buffer[:-1], self._buffer[-1:]
        start = 0
        for p in parameters:
            # Strides as the parameter's: the fused optimiser walks both as one array.
            p.grad = self.flat[start:].as_strided(p.shape, p.stride())
            start += p.numel()
        self._graphs: dict[tuple[int, ...], Captured] = {}
        self._pool = None

    def start(self, sample: Sample, occluded: float, stop: bool = False) -> dict[str, Tensor]:
        """Fill the buffer; on a GPU this returns before it is done. `occluded` is the weight of pixels that
        no source sees. The parts of the loss, weighed: valid until the next call."""
        self._buffer.zero_()
        if stop:
            self._votes.fill_(1)
        weight = sample.images.new_tensor(occluded)
        if not sample.images.is_cuda:
            return self._add(sample, weight)
        key = tuple(sample.images.shape)
        if key not in self._graphs:
            self._graphs[key] = self._capture(sample, weight)
        captured = self._graphs[key]
        for held, given in zip((*captured.sample, captured.occluded), (*sample, weight), strict=True):
            held.copy_(given)
        captured.graph.replay()
        return captured.parts

    def finish(self, limit: float) -> tuple[bool, bool]:
        """Average over the processes, scale to a norm of at most `limit`; whether all is finite, and whether
        a process wants to stop. Waits for the device."""
        if dist.is_initialized():
            dist.all_reduce(self._buffer)
            self.flat /= dist.get_world_size()
        norm = self.flat.norm()
        self.flat *= (limit / (norm + 1e-6)).clamp_max(1)
        finite, stop = torch.stack([norm.isfinite().float(), self._votes[0]]).tolist()
        return finite > 0, stop > 0

    def _add(self, sample: Sample, occluded: Tensor) -> dict[str, Tensor]:
        device = sample.images.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            output = run_network(self.network, sample)
        parts = stereo_losses(output, sample, occluded)
        parts = {name: WEIGHTS[name] * part for name, part in parts.items()}
        torch.stack(list(parts.values())).sum().backward()
        return {name: part.detach() for name, part in parts.items()}

    def _capture(self, sample: Sample, occluded: Tensor) -> Captured:
        held = Sample(*(part.clone() for part in sample))
        weight = occluded.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        kept = self._buffer.clone()
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._add(held, weight)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Graphs run one after the other and leave nothing but `parts`: they may share their memory.
        with torch.cuda.graph(graph, pool=self._pool):
            parts = self._add(held, weight)
        self._pool = graph.pool()
        self._buffer.copy_(kept)
        return Captured(graph, held, weight, parts)

"""A few values that stand for many: k-means in one dimension, by sorting, and in several."""

import numpy as np
import torch
from jaxtyping import Float, Int

STEPS = 8
"""Rounds of Lloyd's algorithm; later ones change the values by under a hundredth of their spread."""
COARSE = 128
"""Clusters of the first level of a palette."""
ASSIGN_ROWS = 4096
"""Rows whose distances to all centres are held at once."""


def scalar_codebook(
    values: Float[np.ndarray, "*b"], size: int = 256
) -> tuple[Float[np.ndarray, " c"], Int[np.ndarray, "*b"]]:
    """`size` ascending values and, for each of `values`, the index of the nearest."""
    ordered = np.sort(values.ravel().astype(np.float64))
    if not len(ordered):
        return np.zeros(size), np.zeros(values.shape, np.int64)
    # From quantiles alone the rare large values would be far off, from even steps the frequent small ones.
    share = (np.arange(size) + 0.5) / size
    centres = 0.5 * (np.quantile(ordered, share) + ordered[0] + share * (ordered[-1] - ordered[0]))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(4 * STEPS):
        edges = np.searchsorted(ordered, 0.5 * (centres[1:] + centres[:-1]))
        first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(ordered)]])
        count = last - first
        mean = (sums[last] - sums[first]) / np.maximum(count, 1)
        centres = np.where(count > 0, mean, centres)
    return centres, np.searchsorted(0.5 * (centres[1:] + centres[:-1]), values)


def palette(
    rows: Float[np.ndarray, "g c"], size: int, seed: int = 0
) -> tuple[Float[np.ndarray, "p c"], Int[np.ndarray, " g"]]:
    """At most `size` rows, and for each of `rows` the index of a near one; the rows themselves if they are no
    more than that.

    k-means in two levels: each of COARSE clusters gets its share of the palette, so that a row is compared
    with hundreds of others and not with thousands."""
    if len(rows) <= size:
        return rows, np.arange(len(rows))
    points = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    generator = torch.Generator().manual_seed(seed)
    coarse = _k_means(points, min(COARSE, size), generator)[1]
    entries, labels, begin = [], torch.zeros(len(points), dtype=torch.int64), 0
    for cluster in range(min(COARSE, size)):
        members = (coarse == cluster).nonzero()[:, 0]
        if not len(members):
            continue
        share = max(1, (size - COARSE) * len(members) // len(points))
        centres, inside = _k_means(points[members], min(share, len(members)), generator)
        labels[members] = begin + inside
        entries.append(centres)
        begin += len(centres)
    return torch.cat(entries).numpy(), labels.numpy()


def _k_means(
    points: torch.Tensor, size: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres, and the nearest of each point, after STEPS rounds of Lloyd's algorithm from random points."""
    centres = points[torch.randperm(len(points), generator=generator)[:size]]
    for _ in range(STEPS):
        labels = _nearest(points, centres)
        count = torch.bincount(labels, minlength=size)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)
    return centres, _nearest(points, centres)


def _nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Index of the nearest centre: the largest of p.c - |c|^2 / 2."""
    bias = 0.5 * (centres * centres).sum(dim=1)
    return torch.cat([(rows @ centres.T - bias).argmax(dim=1) for rows in points.split(ASSIGN_ROWS)])

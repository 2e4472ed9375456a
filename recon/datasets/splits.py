"""Which photos are fitted and which are held out: pure functions of the names, and the published lists."""

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from recon.datasets.config import DataConfig
from recon.errors import InputError

PROTOCOL_TEST_EVERY = 8
"""LLFF, Blender and Mip-NeRF 360 hold out every 8th image."""

BLENDER_8_VIEWS = {
    "dietnerf": (26, 86, 2, 55, 75, 93, 16, 73),
    "3dgs": (2, 16, 26, 55, 73, 76, 86, 93),
}
"""Frames of transforms_train.json. DietNeRF's are the draw of its seed 0; DNGaussian, CoR-GS and
Binocular3DGS write 76 for 75. https://github.com/ajayjain/DietNeRF, https://github.com/Fictionarry/DNGaussian."""

DTU_TRAIN_ORDER = (25, 22, 28, 40, 44, 48, 0, 8, 13)
"""The first 3, 6 or 9 are fitted. Numbers from 0; file names count from 1. pixelNeRF's choice in RegNeRF's
order: https://github.com/google-research/google-research/blob/master/regnerf/internal/datasets.py."""
DTU_EXCLUDED = (3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 36, 37, 38, 39)
"""Views that neither side uses: pixelNeRF's bad views."""
DTU_TEST = tuple(i for i in range(49) if i not in DTU_TRAIN_ORDER + DTU_EXCLUDED)
"""The 25 held out, the same for 3, 6 and 9 train views."""


def spread(count: int, wanted: int, how: Literal["round", "truncate"] = "round") -> list[int]:
    """`wanted` of `count` positions, evenly spread with both ends, rounded half to even as RegNeRF does or
    truncated as nerfbaselines and InstantSplat do."""
    whole = round if how == "round" else int
    return [whole(position) for position in np.linspace(0, count - 1, wanted).tolist()]


def hold_out(count: int, test_every: int) -> tuple[list[int], list[int]]:
    """Positions (to fit, held out) of `count` images in name order: from the first, every `test_every`-th is
    held out; 0 holds out none."""
    test = list(range(0, count, test_every)) if test_every else []
    return [i for i in range(count) if i not in set(test)], test


def split_by(config: DataConfig, count: int, test_every: int) -> tuple[list[int], list[int]]:
    """Positions (train, test) of `count` images in name order, as the user wishes: listed, or spread.

    Raises InputError: a listed position that is not there, and as `sparse_split`.
    """
    if config.train_ids or config.test_ids:
        return listed_split(range(count), config)
    return sparse_split(count, config.views, test_every, config.spread)


def listed_split(there: Collection[int], config: DataConfig) -> tuple[list[int], list[int]]:
    """`config.train_ids` and `config.test_ids`, if they are `there`, differ, and leave something to fit."""
    train, test = list(config.train_ids), list(config.test_ids)
    missing = sorted(set(train + test) - set(there))
    if missing:
        raise InputError(
            f"{config.path} has no photo {', '.join(map(str, missing))}, counted from 0 (there are "
            f"{len(there)}); correct train_ids and test_ids, or add the photos."
        )
    twice = sorted({i for i in train + test if (train + test).count(i) > 1})
    if twice or not train:
        raise InputError(
            f"train_ids and test_ids name {', '.join(map(str, twice)) or 'nothing to fit'}"
            f"{' more than once' if twice else ''}; list each photo once, and at least 2 to fit."
        )
    return train, test


def sparse_split(
    count: int, views: int | None, test_every: int, how: Literal["round", "truncate"] = "round"
) -> tuple[list[int], list[int]]:
    """Positions (train, test): the protocols' split, `views` train images spread over those not held out.

    Raises InputError: `views` below 2 or above what is there, `test_every` negative.
    """
    if test_every < 0:
        raise InputError(f"test_every is {test_every}; give 0, or n to hold out every n-th photo.")
    pool, test = hold_out(count, test_every)
    if views is None:
        return pool, test
    if views < 2:
        raise InputError(f"views is {views}; a scene needs at least 2 photos to fit.")
    if views > len(pool):
        raise InputError(
            f"{views} views are asked for, but there are {len(pool)} photos to fit"
            f"{f' ({len(test)} more are held out)' if test else ''}; ask for at most {len(pool)}."
        )
    return [pool[i] for i in spread(len(pool), views, how)], test


def select_names(names: Sequence[str], only: Sequence[str]) -> list[int]:
    """Positions in `names` of the photos that `only` names (in the order of `names`); all if it is empty.

    A name matches a photo's name, its file name or its file name without extension.
    Raises InputError: a name that matches nothing.
    """
    if not only:
        return list(range(len(names)))
    spellings = [{name, PurePosixPath(name).name, PurePosixPath(name).stem} for name in names]
    for wanted in only:
        if not any(wanted in spelling for spelling in spellings):
            known = ", ".join(names[:9]) + (", ..." if len(names) > 9 else "")
            raise InputError(f'No photo is named "{wanted}"; there are {known}.')
    return [i for i, spelling in enumerate(spellings) if spelling & set(only)]

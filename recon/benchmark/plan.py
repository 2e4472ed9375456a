"""What a benchmark is to measure: scenes, views, methods, seeds, and how."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recon.benchmark.protocols import EVERY_SCENE, Protocol
from recon.benchmark.results import Task
from recon.datasets import DataConfig
from recon.errors import InputError
from recon.methods.priors.single_view import NO_NETWORK, DepthConfig
from recon.methods.table import MethodConfig
from recon.metrics import MetricsConfig
from recon.run_folder import plain


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and where results lie."""

    protocol: Protocol
    data: Path
    """Holds the scenes."""
    scenes: tuple[str, ...]
    views: tuple[int, ...]
    methods: dict[str, MethodConfig]
    seeds: int
    output: Path
    metrics: MetricsConfig
    max_size: int | None = None
    """Longer side of the fitted photos where they are to be smaller than those that are measured."""
    pictures: int = 0
    """Test views of which a task keeps pictures."""
    depth: DepthConfig = NO_NETWORK
    """A network's depth of single photos, for every method."""

    @property
    def tasks(self) -> list[Task]:
        """Every scene with every number of views, method and seed."""
        every = itertools.product(self.scenes, self.views, self.methods, range(self.seeds))
        return [Task(self.protocol.name, *one) for one in every]

    def reading(self, task: Task) -> DataConfig:
        """How a task's photos are read."""
        return self.protocol.data(self.data, task.scene, task.views)

    def config(self, task: Task) -> MethodConfig:
        """The method's configuration with the task's seed."""
        config = self.methods[task.method]
        return replace(config, fit=replace(config.fit, seed=task.seed))

    def decided(self, task: Task) -> dict[str, Any]:
        """All that decides a result beside the code and the photos, as its JSON has it."""
        reading = {key: value for key, value in plain(self.reading(task)).items() if key != "path"}
        return {
            "metrics": {**plain(self.metrics), "quantised": True},
            "reading": {**reading, "fit_size": self.max_size},
            "config": plain(self.config(task)),
            "part": self.protocol.parts.get(task.scene, ""),
            "label": self.protocol.label,
            # As older results say it, that is, not at all.
            "depth": None if self.depth == NO_NETWORK else plain(self.depth),
        }


def choose_scenes(protocol: Protocol, data: Path, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted scenes, or all of the protocol's that lie in `data`. Raises InputError if one is missing, or
    if a protocol that lists the views of each scene does not know it."""
    present = tuple(scene for scene in protocol.scenes if protocol.folder(data, scene))
    missing = [scene for scene in wanted if not protocol.folder(data, scene)]
    if missing or not (wanted or present):
        raise InputError(
            f"{data} holds no scene {', '.join(missing) or protocol.scenes[0]} of the {protocol.name} "
            f"protocol (there: {', '.join(present) or 'none'}); give --data the folder with a folder a scene."
        )
    listed = {scene for scene, _ in protocol.ids}
    unknown = [scene for scene in wanted if listed and not listed & {scene, EVERY_SCENE}]
    if unknown:
        raise InputError(
            f"The split of {protocol.name} has no scene {unknown[0]}; choose of {', '.join(protocol.scenes)}."
        )
    return wanted or present


def choose_views(protocol: Protocol, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The wanted numbers of train views, or the fewest of the protocol. Raises InputError for one that its
    split files do not give."""
    given = {views for scene, views in protocol.ids if scene != EVERY_SCENE}
    unknown = [views for views in wanted if given and views not in given]
    if unknown:
        raise InputError(
            f"The split of {protocol.name} has no {unknown[0]} input views; there are {sorted(given)}."
        )
    return wanted or (min(given or protocol.views),)

"""Depth that a phone's sensor took with the photos, in the stereo prior (as NVS-RGBD's in SparseNeRF, Wang et
al., ICCV 2023): it knows walls without texture, of which stereo knows nothing."""

import logging

from recon.methods.priors.aligned import (
    MIN_ANCHORS,
    AlignedDepth,
    Line,
    SingleDepth,
    align,
    anchors,
    apply,
    merged,
)
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views

logger = logging.getLogger(__name__)


def with_sensor_depth(stereo: StereoPrior, views: Views) -> StereoPrior:
    """The prior with the sensor's depth, where the photos have one, at the pixels that stereo does not trust.
    What came of each photo is logged; a photo too plain to be aligned by itself is aligned as the others."""
    singles = [None if m is None else SingleDepth(m, m > 0) for m in views.depths]
    if all(single is None for single in singles):
        return stereo
    aligned = [
        None if single is None else align(single, "metric", stereo, index)
        for index, single in enumerate(singles)
    ]
    common = typical(aligned)
    for index, (single, found) in enumerate(zip(singles, aligned, strict=True)):
        few = single is not None and len(anchors(single, "metric", stereo, index)[0]) < MIN_ANCHORS
        if single is not None and found is None and few and common is not None:
            aligned[index] = apply(common, single, "metric")
        _tell(views.names[index], single, aligned[index])
    return merged(stereo, aligned, believed=True)


def typical(aligned: list[AlignedDepth | None]) -> Line | None:
    """The middle one of the lines that were found, by scale: one sensor took all photos."""
    lines = sorted(found.line for found in aligned if found is not None)
    return lines[len(lines) // 2]._replace(share=0.0) if lines else None


def _tell(name: str, single: SingleDepth | None, found: AlignedDepth | None) -> None:
    if single is None:
        return
    if found is None:
        logger.warning("The depth map of %s does not fit what its photos show; it is left out.", name)
        return
    line = found.line
    logger.info(
        "Sensor depth of %s: %.4g world units a metre, shift %.3g, %.1f %% off where photos agree (%.0f %%).",
        *(name, line.scale, line.shift, 100 * line.error, 100 * line.share),
    )

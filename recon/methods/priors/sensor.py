"""Depth that a phone's sensor took with the photos, in the stereo prior (as NVS-RGBD's in SparseNeRF, Wang et
al., ICCV 2023): it knows walls without texture, of which stereo knows nothing."""

import logging

from recon.methods.priors.aligned import AlignedDepth, SingleDepth, align_together, merged
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views

logger = logging.getLogger(__name__)


def with_sensor_depth(stereo: StereoPrior, views: Views) -> StereoPrior:
    """The prior with the sensor's depth, where the photos have one, at the pixels that stereo does not trust.
    What came of each photo is logged; a photo too plain to be aligned by itself is aligned as the others."""
    singles = [None if m is None else SingleDepth(m, m > 0) for m in views.depths]
    if all(single is None for single in singles):
        return stereo
    aligned = align_together(singles, "metric", stereo)
    for name, single, found in zip(views.names, singles, aligned, strict=True):
        _tell(name, single, found)
    return merged(stereo, aligned, believed=True)


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

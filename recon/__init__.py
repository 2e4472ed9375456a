"""3D Gaussian scenes from three to nine photos."""

import os

# Must be said before torch loads OpenMP. By default a thread that waits for the other keeps its core busy;
# where something else wants that core, the many small operations of the stereo then take ten times as long.
# A short wait costs nothing on idle cores.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

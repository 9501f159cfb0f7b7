"""Measure goal misgeneralization instead of guessing it.

    conf -> train -> checkpoint -> evaluate -> episodes -> rates -> counts -> calibrate -> calibration -> estimate

One stage is one verb, one module, one config and one artefact. Imports point one way: `gmexp_envs <- gmexp`.
The `calculator` and `statistics` packages need only numpy and scipy.
"""

import gmexp_envs as _gmexp_envs  # noqa: F401  its import makes the environments' ids known to gymnasium

__version__ = "0.1.0"

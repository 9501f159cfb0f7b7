"""Measure goal misgeneralization instead of guessing it.

    conf -> train -> checkpoint -> evaluate -> episodes -> rates -> counts -> calibrate -> calibration -> estimate

One stage is one verb, one module, one config and one artefact. Imports point one way: `envs <- gmexp <- scripts`.
The `calculator` and `statistics` packages need only numpy and scipy.
"""

__version__ = "0.1.0"

"""Does the model know what it does not know? Coverage, simulation-based calibration, power of the leave-one-out checks.

Each check returns plain data, ready for JSON.
"""

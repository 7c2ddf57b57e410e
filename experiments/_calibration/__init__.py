"""Implementation of `experiments.calibration`."""

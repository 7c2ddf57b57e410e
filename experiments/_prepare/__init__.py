"""Implementation of `experiments.prepare`."""

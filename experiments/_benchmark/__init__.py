"""Implementation of `experiments.benchmark`."""

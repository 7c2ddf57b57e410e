"""Implementation of `experiments.figures`."""

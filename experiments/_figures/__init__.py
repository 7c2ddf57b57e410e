"""The parts of `experiments.figures`."""

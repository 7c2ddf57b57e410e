"""The steps of a run of `experiments.train`, and what it does besides one run."""

"""What `experiments.train` does besides one run."""

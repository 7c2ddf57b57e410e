"""What `experiments.prepare` does besides building a dataset."""

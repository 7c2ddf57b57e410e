"""Parts of experiments.films."""

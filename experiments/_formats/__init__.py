"""Parts of experiments.formats."""

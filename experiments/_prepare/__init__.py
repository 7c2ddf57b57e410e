"""Subcommands of experiments.prepare: what comes before the dataset."""

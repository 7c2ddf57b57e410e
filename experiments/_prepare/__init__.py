"""The subcommands of `experiments.prepare`: what comes before a dataset, and what is made of one."""

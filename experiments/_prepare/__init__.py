"""The steps of `experiments.prepare`, and its subcommands: what comes before a dataset, and what is made of one."""

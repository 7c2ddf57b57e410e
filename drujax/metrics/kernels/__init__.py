"""What the metrics compute with: one file a statistic, transform or helper."""

"""Building blocks of the metrics: statistics, transforms and helpers, one per file."""

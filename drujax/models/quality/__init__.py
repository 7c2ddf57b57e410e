"""The networks of the metric NIMA."""

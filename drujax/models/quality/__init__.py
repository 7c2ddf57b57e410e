"""Networks of the NIMA metric."""

"""Networks that turn photographs into anime pictures."""

"""Readers of other programs' weight files; none runs code from the file."""

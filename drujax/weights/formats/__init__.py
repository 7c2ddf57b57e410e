"""Readers of other programs' weight files, none of which runs code from the file."""

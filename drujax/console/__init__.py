"""The terminal: options from dataclasses, progress, tables."""

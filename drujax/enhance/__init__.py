"""Brightening: models by name, the enhancer, files and folders."""

"""Quality of files and folders, and of an enhancer."""

"""Picture files: pixels, depth, alpha, colour, metadata."""

"""Films: the light smoothed over time, its application to the planes of frames, and film files."""

"""Film files: frames by number, their colours, shots, letterbox bars; encoders, and copying all other streams."""

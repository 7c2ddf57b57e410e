"""Film files: frames by number, their colours, shots, letterbox bars; encoding, and copying all other streams."""

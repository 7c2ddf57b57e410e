"""Networks for other programs: ONNX, written operator by operator, and `jax.export`."""

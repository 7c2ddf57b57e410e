"""The networks as ONNX operators, one file each, named as in `drujax.methods.registry`."""

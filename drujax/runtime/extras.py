"""The packages that `pip install 'drujax[EXTRA]'` adds, by import name."""

_EXTRAS = {
    "absl": "train",
    "apache_beam": "beam",
    "array_record": "train",
    "av": "video",
    "grain": "train",
    "h5py": "keras",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "optax": "train",
    "pillow_heif": "heif",
    "pillow_jxl": "jxl",
    "orbax": "train",
    "matplotlib": "figures",
    "starlette": "serve",
    "tensorboardX": "tensorboard",
    "tensorflow_datasets": "train",
    "uvicorn": "serve",
}


def extra_with(module: str | None) -> str | None:
    """Returns the extra that installs `module` (or its package); None if there is none."""
    return _EXTRAS.get((module or "").partition(".")[0])

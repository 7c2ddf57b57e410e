"""Layers in NumPy alone, to compute a network independently of JAX and of drujax's modules. Images are h w c."""

from collections.abc import Mapping

import numpy as np

Pad = tuple[int, int]  # zeros before and after each side


def convolve(x: np.ndarray, kernel: np.ndarray, *, stride: int = 1, pad: Pad = (0, 0)) -> np.ndarray:
    """Correlates x, h w c, with PyTorch's kernel, (out, in, k, k), in float64."""
    windows = _windows(x, kernel.shape[-1], stride, pad)
    return np.tensordot(windows, kernel.astype(np.float64), ([2, 3, 4], [1, 2, 3]))


def convolve_depthwise(x: np.ndarray, kernel: np.ndarray, *, stride: int = 1, pad: Pad = (0, 0)) -> np.ndarray:
    """Correlates each channel of x, h w c, with Keras's depthwise kernel, (k, k, c, 1), in float64."""
    windows = _windows(x, len(kernel), stride, pad)
    return np.einsum("yxckl,klc->yxc", windows, kernel[..., 0].astype(np.float64), optimize=True)


def pool_max(x: np.ndarray, side: int, *, stride: int, pad: Pad = (0, 0)) -> np.ndarray:
    """Takes the maximum of each window."""
    return _windows(x, side, stride, pad, fill=-np.inf).max((3, 4))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Exponentials, normalised to sum 1."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def zero_dce(state: Mapping[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """Enhances an image h w 3 in [0, 1] by Zero-DCE's checkpoint, in float64; not clipped."""

    def layer(number: int, *maps: np.ndarray) -> np.ndarray:
        name = f"e_conv{number}"
        return convolve(np.concatenate(maps, -1), state[f"{name}.weight"], pad=(1, 1)) + state[f"{name}.bias"]

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    first = relu(layer(1, image))
    second = relu(layer(2, first))
    third = relu(layer(3, second))
    fourth = relu(layer(4, third))
    fifth = relu(layer(5, third, fourth))
    sixth = relu(layer(6, second, fifth))
    for curve in np.split(np.tanh(layer(7, first, sixth)), 8, axis=-1):
        image = image + curve * (image**2 - image)
    return image


def _windows(x: np.ndarray, side: int, stride: int, pad: Pad, fill: float = 0.0) -> np.ndarray:
    """Returns the windows of x, h w c, as h2 w2 c side side."""
    padded = np.pad(x.astype(np.float64), (pad, pad, (0, 0)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(padded, (side, side), (0, 1))[::stride, ::stride]

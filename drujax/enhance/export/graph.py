"""An ONNX graph written operator by operator, so that no framework is needed to export a network.

A `Value` is an array that the graph computes; its arithmetic operators add nodes. Layout N C H W, kernels as in the
weight files (H W I O). Opset 18: the oldest in which reductions take their axes as ONNX now defines them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import DTypeLike
from onnx import ModelProto, TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 8  # the file format of that opset's release of ONNX

FLOAT = TensorProto.FLOAT
Operand = Any  # Value, NumPy array or number
Axes = tuple[int | str, ...]  # a name means any size


class Graph:
    """The nodes and constants of a graph.

    Attributes:
        dtype: of the arithmetic of networks, float32 or float16.
    """

    def __init__(self, dtype: DTypeLike = np.float32):
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Axes) -> "Value":
        """Declares a float32 input."""
        self._inputs.append(helper.make_tensor_value_info(name, FLOAT, shape))
        return Value(self, name)

    def output(self, name: str, value: "Value", shape: Axes | None, *, boolean: bool = False) -> None:
        """Declares `value` an output, float32 or boolean; None is any shape."""
        kind = TensorProto.BOOL if boolean else FLOAT
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=f"Identity_{name}"))

    def op(self, kind: str, *operands: Operand, **attributes: Any) -> "Value":
        """Adds a node with one output. Arrays keep their dtype; None is an operand that is left out."""
        names = ["" if operand is None else self._name(operand) for operand in operands]
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [name], name=name, **attributes))
        return Value(self, name)

    def model(self, name: str, metadata: Mapping[str, str]) -> ModelProto:
        """Returns the model of the declared inputs and outputs."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(metadata))
        return model

    def is_finite(self) -> bool:
        """Whether all floating constants are finite: float16 overflows beyond 65504."""
        arrays = map(numpy_helper.to_array, self._constants.values())
        return all(np.isfinite(x).all() for x in arrays if np.issubdtype(x.dtype, np.floating))

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return operand.name
        array = np.ascontiguousarray(operand)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"constant_{len(self._constants)}")
        return self._constants[key].name


class Value:
    """An array that a graph computes. Numbers and arrays that it is combined with take its dtype."""

    __array_ufunc__ = None  # NumPy leaves the operators to this class

    def __init__(self, graph: Graph, name: str, dtype: DTypeLike = np.float32):
        self.graph, self.name, self.dtype = graph, name, np.dtype(dtype)

    def op(self, kind: str, *operands: Operand, **attributes: Any) -> "Value":
        """Adds a node whose first operand this is, and whose result has the same dtype."""
        operands = tuple(self._of_dtype(operand) for operand in operands)
        return Value(self.graph, self.graph.op(kind, self, *operands, **attributes).name, self.dtype)

    def cast(self, dtype: DTypeLike) -> "Value":
        """This, with another dtype."""
        if np.dtype(dtype) == self.dtype:
            return self
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return Value(self.graph, self.graph.op("Cast", self, to=kind).name, dtype)

    def size(self, axis: int) -> "Value":
        """The number of elements along an axis, an int64 without dimensions."""
        shape = self.graph.op("Shape", self)
        return Value(self.graph, self.graph.op("Gather", shape, np.int64(axis)).name, np.int64)

    def clip(self, low: float | int, high: float | int) -> "Value":
        """This, limited to low..high."""
        return self.op("Clip", low, high)

    def sliced(self, axis: int, start: Operand, stop: Operand) -> "Value":
        """The elements start to stop (numbers, or int64 without dimensions) along an axis."""
        start, stop = (_one_dimension(self.graph, x) for x in (start, stop))
        node = self.graph.op("Slice", self, start, stop, np.array([axis], np.int64))
        return Value(self.graph, node.name, self.dtype)

    def _of_dtype(self, operand: Operand) -> Operand:
        if operand is None or isinstance(operand, Value):
            return operand
        return np.asarray(operand, self.dtype)

    def _reversed(self, kind: str, other: Operand) -> "Value":
        return Value(self.graph, self.graph.op(kind, self._of_dtype(other), self).name, self.dtype)

    def __add__(self, other: Operand) -> "Value":
        return self.op("Add", other)

    def __radd__(self, other: Operand) -> "Value":
        return self.op("Add", other)

    def __sub__(self, other: Operand) -> "Value":
        return self.op("Sub", other)

    def __rsub__(self, other: Operand) -> "Value":
        return self._reversed("Sub", other)

    def __mul__(self, other: Operand) -> "Value":
        return self.op("Mul", other)

    def __rmul__(self, other: Operand) -> "Value":
        return self.op("Mul", other)

    def __truediv__(self, other: Operand) -> "Value":
        return self.op("Div", other)

    def __rtruediv__(self, other: Operand) -> "Value":
        return self._reversed("Div", other)

    def __matmul__(self, other: Operand) -> "Value":
        return self.op("MatMul", other)

    def __rmatmul__(self, other: Operand) -> "Value":
        return self._reversed("MatMul", other)

    def __neg__(self) -> "Value":
        return self.op("Neg")


def concat(values: Sequence[Value], axis: int = 1) -> Value:
    """The values one after the other along an axis, by default that of the channels."""
    first = values[0]
    return Value(first.graph, first.graph.op("Concat", *values, axis=axis).name, first.dtype)


def where(condition: Value, this: Value, that: Operand) -> Value:
    """`this` where the condition is true, `that` elsewhere."""
    return Value(this.graph, this.graph.op("Where", condition, this, this._of_dtype(that)).name, this.dtype)


def positions(start: Operand, stop: Operand) -> Value:
    """The whole numbers from start to stop - 1, int64."""
    graph = next(x.graph for x in (start, stop) if isinstance(x, Value))
    return Value(graph, graph.op("Range", *(_integer(x) for x in (start, stop, 1))).name, np.int64)


def conv(
    x: Value,
    kernel: Float[np.ndarray, "k k i o"],
    bias: Float[np.ndarray, " o"] | None = None,
    *,
    padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> Value:
    """Cross-correlation, with zeros around the map."""
    size = kernel.shape[0]
    return x.op(
        "Conv",
        kernel.transpose(3, 2, 0, 1),
        bias,
        kernel_shape=[size, size],
        pads=[padding] * 4,
        group=groups,
        dilations=[dilation] * 2,
    )


def leaky_relu(x: Value, slope: float) -> Value:
    """x where positive, otherwise slope * x."""
    return x.op("LeakyRelu", alpha=float(slope))


def max_pool2(x: Value, *, stride: int = 2) -> Value:
    """Maximum over 2 x 2 windows."""
    return x.op("MaxPool", kernel_shape=[2, 2], strides=[stride, stride])


def reflect(x: Value, margin: int) -> Value:
    """Pads rows and columns by reflection; both must have more than `margin` pixels."""
    pads = np.array([0, 0, margin, margin] * 2, np.int64)
    return Value(x.graph, x.graph.op("Pad", x, pads, mode="reflect").name, x.dtype)


def reflect_once(x: Value) -> Value:
    """Pads rows and columns by the reflection of one pixel, from 1 x 1."""
    for axis in (2, 3):
        x = _reflected(x, axis, -1, x.size(axis) + 1)
    return x


def upsample2(x: Value, *, align_corners: bool) -> Value:
    """Bilinear upsampling by a factor of 2; `align_corners` as in PyTorch."""
    node = x.graph.op("Resize", x, None, np.array([1, 1, 2, 2], np.float32), **_bilinear(align_corners=align_corners))
    return Value(x.graph, node.name, x.dtype)


def upsample2_in_tile(x: Value, scale: int, rows: Value, columns: Value) -> Value:
    """As `upsample2` with aligned corners, of a tile.

    Args:
        x: the tile in a map that is `scale` times as small as the picture.
        rows, columns: two numbers each: where the tile starts in the picture, and the picture's pixels.
    """
    for axis, extent in ((2, rows), (3, columns)):
        n = x.size(axis)
        start, whole = (extent.sliced(0, i, i + 1) / scale for i in (0, 1))
        at = positions(0, n).cast(np.float32) + start
        before = concat([x.sliced(axis, 0, 1), x.sliced(axis, 0, n - 1)], axis)
        after = concat([x.sliced(axis, 1, n), x.sliced(axis, n - 1, n)], axis)
        pair = []
        for weight, neighbour in ((at, before), (whole - 1 - at, after)):
            weight = weight / (2 * whole - 1)
            weight = _unsqueezed(weight, 1) if axis == 2 else weight
            pair.append(_unsqueezed(x + weight * (neighbour - x), axis + 1))
        rest = [x.graph.op("Shape", x, start=3, end=4)] if axis == 2 else []
        size = x.graph.op("Concat", np.array([0] * axis + [-1], np.int64), *rest, axis=0)
        x = Value(x.graph, x.graph.op("Reshape", concat(pair, axis + 1), size).name, x.dtype)
    return x


def spread(rows: Value, x: Value, columns: Value) -> Value:
    """Maps n c h w to n c h2 w2 by weights of rows, h2 h, and of columns, w2 w."""
    return rows @ x @ columns.op("Transpose", perm=[1, 0])


def resize_aligned(x: Value, like: Value) -> Value:
    """Bilinear resizing to the rows and columns of `like`, with coinciding corner pixels."""
    graph = x.graph
    kept = graph.op("Shape", x, start=0, end=2)
    size = graph.op("Concat", kept, graph.op("Shape", like, start=2, end=4), axis=0)
    return Value(graph, graph.op("Resize", x, None, None, size, **_bilinear(align_corners=True)).name, x.dtype)


def padded_to(x: Value, multiple: int, *, centred: bool) -> tuple[Value, list[tuple[Value, Value]]]:
    """Pads rows and columns by reflection to multiples, as far as needed before and after (`centred`), or only after.

    Returns:
        The map, and for `cropped_back` where the rows and the columns of x begin and end in it. Any size from 1 x 1:
        the reflection is repeated, which ONNX's padding does not do.
    """
    places = []
    for axis in (2, 3):
        n = x.size(axis)
        rest = _mod(-n, multiple)
        before = rest / 2 if centred else n * 0
        x = _reflected(x, axis, -before, n + rest - before)
        places.append((before, before + n))
    return x, places


def cropped_back(x: Value, places: Sequence[tuple[Value, Value]]) -> Value:
    """Undoes `padded_to`."""
    for axis, (start, stop) in zip((2, 3), places, strict=True):
        x = x.sliced(axis, start, stop)
    return x


def _reflected(x: Value, axis: int, start: Operand, stop: Operand) -> Value:
    """The rows or columns start to stop of a map that is continued by its reflection, over and over."""
    n = x.size(axis)
    period = (2 * n - 2).op("Max", 1)
    index = _mod(positions(start, stop).op("Abs"), period)
    index = index.op("Min", period - index)
    return Value(x.graph, x.graph.op("Gather", x, index, axis=axis).name, x.dtype)


def _bilinear(*, align_corners: bool) -> dict[str, str]:
    places = "align_corners" if align_corners else "half_pixel"
    return {"mode": "linear", "coordinate_transformation_mode": places}


def _unsqueezed(x: Value, axis: int) -> Value:
    return Value(x.graph, x.graph.op("Unsqueeze", x, np.array([axis], np.int64)).name, x.dtype)


def _mod(x: Value, period: Operand) -> Value:
    """The remainder with the sign of the period, as in Python."""
    return x.op("Mod", period)


def _integer(x: Operand) -> Operand:
    return x if isinstance(x, Value) else np.int64(x)


def _one_dimension(graph: Graph, x: Operand) -> Operand:
    return graph.op("Reshape", x, np.array([1], np.int64)) if isinstance(x, Value) else np.array([x], np.int64)

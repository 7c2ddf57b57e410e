"""Interprets the pickle streams of PyTorch checkpoints without running any code from them.

`pickle.load` imports and calls whatever a file asks for. This module interprets the opcodes one by one. A global stays
a name; the few names that state dicts need (`_CALLS`, `STORAGES`) are implemented here, and all others are refused.
Tensors are returned as descriptions (`Tensor`); the reader of the file format has their data.
"""

import io
import mmap
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from drujax.errors import UsageError

# PyTorch's storage classes and the NumPy dtype of their elements. NumPy has no bfloat16: read as 16-bit integers.
BFLOAT16 = "bfloat16"
STORAGES = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
    "torch.ComplexFloatStorage": "c8",
    "torch.ComplexDoubleStorage": "c16",
}


class Damaged(ValueError):
    """The stream is not a pickle, truncated, or has content that PyTorch never writes."""


@dataclass(frozen=True)
class Global:
    """The name of an importable object. It is never imported."""

    name: str


@dataclass(frozen=True)
class Storage:
    """A range of `size` elements, starting at element `start` of the stored data `key`."""

    key: str
    kind: str
    size: int
    start: int = 0


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and strides are in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(stream: io.BytesIO | mmap.mmap) -> tuple[Any, dict[str, str]]:
    """Reads the pickle at the stream's position, and advances the stream past it.

    Both kinds of stream bound reads by their own length, whatever length the pickle declares.

    Returns:
        The object, consisting of dict, list, tuple, str, numbers, bytes and `Tensor`; and the element type of each
        storage that it refers to, by key.

    Raises:
        UsageError: the pickle names objects that a state dict does not need.
        Damaged: the stream is not a valid pickle.
    """
    machine = _Machine()
    try:
        while code := stream.read(1):
            opcode = _OPCODES[code.decode("latin-1")]
            if opcode.name == "STOP":
                return machine.stack[-1], machine.kinds
            if opcode.name not in _ALLOWED:
                raise UsageError(f"contains the pickle opcode {opcode.name}, which a state dict does not need")
            machine.step(opcode.name, _argument(opcode, stream))
    except (UsageError, Damaged):
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Damaged("its pickle is invalid") from error
    raise Damaged("its pickle is truncated")


def _argument(opcode: pickletools.OpcodeInfo, stream: io.BytesIO | mmap.mmap) -> Any:
    if opcode.name == "GLOBAL":  # pickletools would resolve backslashes in the two lines
        return ".".join(stream.readline().removesuffix(b"\n").decode() for _ in range(2))
    return None if opcode.arg is None else opcode.arg.reader(cast(BinaryIO, stream))


_CONSTANTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_LITERALS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ALLOWED = {
    *(*_CONSTANTS, *_LITERALS, *_EMPTY, *_TUPLES, "PROTO", "FRAME", "MARK", "POP", "POP_MARK", "DUP"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "TUPLE", "LIST", "DICT", "APPEND", "APPENDS"),
    *("SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
}
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


class _Machine:
    """The stack machine of the binary pickle protocols, limited to what checkpoints use."""

    def __init__(self):
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}
        self.kinds: dict[str, str] = {}

    def step(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        if opcode in _CONSTANTS:
            stack.append(argument)
        elif opcode in _LITERALS:
            stack.append(_LITERALS[opcode])
        elif opcode in _EMPTY:
            stack.append(_EMPTY[opcode]())
        elif opcode in _TUPLES:
            stack[-_TUPLES[opcode] :] = [tuple(stack[-_TUPLES[opcode] :])]
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif opcode == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif opcode not in ("PROTO", "FRAME"):
            self._act(opcode, argument)

    def _act(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        match opcode:
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE" | "LIST" | "DICT":
                items = self._to_mark()
                made = {"TUPLE": tuple, "LIST": list, "DICT": _dict}[opcode](items)
                self.stack.append(made)
            case "APPEND":
                stack[-2].append(stack.pop())
            case "APPENDS":
                items = self._to_mark()
                self.stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1].update(_dict([key, value]))
            case "SETITEMS":
                items = self._to_mark()
                self.stack[-1].update(_dict(items))
            case "GLOBAL":
                stack.append(_known(argument))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_known(".".join((module, name))))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if not isinstance(function, Global) or function.name not in _CALLS:
                    raise Damaged("its pickle calls an object that is not a function")
                stack.append(_CALLS[function.name](*arguments))
            case "BUILD":
                stack.pop()  # attributes of a dict (`_metadata`, module versions), not needed
                if not isinstance(stack[-1], dict):
                    raise Damaged("its pickle sets attributes of an object that is not a dict")
            case "BINPERSID":
                storage = _storage(*stack.pop())
                if self.kinds.setdefault(storage.key, storage.kind) != storage.kind:
                    raise Damaged("a storage has two element types")
                stack.append(storage)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._to_mark()
            case "DUP":
                stack.append(stack[-1])

    def _to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items


def _known(name: str) -> Global:
    if name not in _CALLS and name not in STORAGES:
        raise UsageError(
            f"contains the global {name!r}, which a state dict does not need and which may run code when unpickled. "
            "Ask for a file written by torch.save(model.state_dict())"
        )
    return Global(name)


# The arguments of the functions below come from an untrusted file: hence `Any`, and the checks.


def _dict(items: Any) -> dict[Any, Any]:
    """Builds a dict from alternating keys and values. Only plain keys: hashing nested ones may exhaust the C stack."""
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, str | int | float | None) for key in keys):
        raise Damaged("a dict has keys that are neither strings nor numbers")
    return dict(zip(keys, values, strict=True))


def _ordered_dict(items: Any = None) -> dict[Any, Any]:
    """Builds a dict. Python 2 passes the items as a list of pairs, Python 3 sets them afterwards."""
    if items is None:
        return {}
    made = _dict([part for key, value in items for part in (key, value)])
    items.clear()  # not used again; a file cannot multiply its contents by repeated calls
    return made


def _storage(label: Any, kind: Any, key: Any, device: Any, size: Any, view: Any = None) -> Storage:
    """Parses the persistent id of a storage: "storage", class, key, device, size and, in the old format, a view."""
    if label != "storage" or type(key) is not str or type(size) is not int or size < 0:
        raise Damaged("a persistent id does not describe a storage")
    if view is None:
        return Storage(key, STORAGES[kind.name], size)
    _, start, length = view
    if type(start) is not int or type(length) is not int or not 0 <= start <= start + length <= size:
        raise Damaged("a storage view exceeds its storage")
    return Storage(key, STORAGES[kind.name], length, start)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """Describes a tensor; the arguments after the strides (requires_grad, hooks, metadata) do not affect its values."""
    numbers = (offset, *shape, *strides)
    if type(storage) is not Storage or not all(type(n) is int and n >= 0 for n in numbers):
        raise Damaged("a tensor has no storage, or a negative size, stride or offset")
    if len(shape) != len(strides) or len(shape) > 32:
        raise Damaged("a tensor's sizes and strides differ in number")
    if 0 not in shape and offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) >= storage.size:
        raise Damaged("a tensor exceeds its storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _first(value: Any, *_: Any) -> Any:
    return value


_CALLS: dict[str, Callable] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,  # until torch 0.3
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch.Size": _first,
}

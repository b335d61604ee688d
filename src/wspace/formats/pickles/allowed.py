"""The allow-list: every global that official StyleGAN pickles hold, and what stands in for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import numpy as np

from wspace.errors import one_line
from wspace.formats.pickles.stored_array import DTYPES, Storage, StoredArray
from wspace.formats.pickles.unpickler import SafeUnpickler, check_key
from wspace.formats.pickles.values import (
    AllowedGlobal,
    Limits,
    Pending,
    PickleRefusedError,
    Record,
)

__all__ = ["official_globals"]

Table = dict[tuple[str, str], AllowedGlobal]

_NUMPY_CODES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"}
_TORCH_STORAGES = {
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


def official_globals(limits: Limits) -> Table:
    """The allow-list for one file; ``limits`` are spent by the pickles nested in it."""
    table: Table = {}
    for module in ("builtins", "__builtin__"):
        _allow(table, module, "set", reduce=partial(_set, limits))
        _allow(table, module, "frozenset", reduce=partial(_set, limits))
    for module, name in (("collections", "OrderedDict"), ("dnnlib.util", "EasyDict")):
        _allow(table, module, name, reduce=partial(_ordered_dict, limits), new=dict)
    _allow(table, "dnnlib.tflib.network", "Network", new=partial(Record, "Network"))
    persistent = "_reconstruct_persistent_obj"
    _allow(table, "torch_utils.persistence", persistent, reduce=_persistent_object)
    for core in ("numpy.core", "numpy._core"):
        _allow(table, f"{core}.multiarray", "_reconstruct", reduce=_empty_numpy_array)
        _allow(table, f"{core}.multiarray", "scalar", reduce=_numpy_scalar)
        _allow(table, f"{core}.numeric", "_frombuffer", reduce=_numpy_array)
    _allow(table, "numpy", "ndarray")
    _allow(table, "numpy", "dtype", reduce=_numpy_dtype)
    _allow(table, "torch._utils", "_rebuild_tensor", reduce=_torch_tensor)
    _allow(table, "torch._utils", "_rebuild_tensor_v2", reduce=_torch_tensor)
    _allow(table, "torch._utils", "_rebuild_parameter", reduce=_torch_parameter)
    _allow(table, "torch._utils", "_rebuild_parameter_with_state", reduce=_torch_parameter)
    _allow(table, "torch.storage", "_load_from_bytes", reduce=partial(_legacy_storage, limits))
    _allow(table, "torch", "Size", reduce=_torch_size)
    _allow(table, "torch", "device", reduce=_torch_device)
    for dtype in DTYPES:
        _allow(table, "torch", dtype)
    return table


def _allow(table: Table, module: str, name: str, **builders: object) -> None:
    table[module, name] = AllowedGlobal(f"{module}.{name}", **builders)  # type: ignore[arg-type]


# Python's and dnnlib's containers.


def _set(limits: Limits, items: object = ()) -> set[object]:
    if not isinstance(items, (list, tuple)):
        raise TypeError("a set is made of something else than a list")
    limits.spend_items(len(items))
    return {check_key(item) for item in items}


def _ordered_dict(limits: Limits, pairs: object = ()) -> dict[object, object]:
    if not isinstance(pairs, (list, tuple)):
        raise TypeError("an OrderedDict is made of something else than a list")
    limits.spend_items(len(pairs))
    made: dict[object, object] = {}
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError("an OrderedDict is made of something else than pairs")
        made[check_key(pair[0])] = pair[1]
    return made


def _persistent_object(meta: object) -> Record:
    """An instance of a class whose source lies in the file; the source is not looked at."""
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise TypeError("a persistent object's description is not that of a class")
    name = meta.get("class_name")
    if not isinstance(name, str):
        raise TypeError("a persistent object has no class name")
    return Record(name, meta.get("state"))


# NumPy.


def _numpy_dtype(code: object, *_alignment_and_copy: object) -> Pending:
    """An element type; the BUILD that always follows brings its byte order."""
    match = re.fullmatch(r"[<>=|]?([a-zA-Z]\d{1,2})", code) if isinstance(code, str) else None
    if match is None or match[1] not in _NUMPY_CODES:
        raise PickleRefusedError(f"it holds numpy values of type {str(code)[:20]!r}: not allowed")
    return Pending(partial(_ordered_dtype, match[1]))


def _ordered_dtype(code: str, state: object) -> np.dtype[np.generic]:
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    if order not in ("<", ">", "=", "|"):
        raise TypeError("a numpy element type without a byte order")
    return np.dtype(f"{'<' if order == '=' else order}{code}")


def _numpy_scalar(dtype: object, content: object) -> object:
    """A numpy scalar as a plain Python number."""
    if not isinstance(dtype, np.dtype) or not isinstance(content, memoryview):
        raise TypeError("a numpy scalar without type or content")
    if len(content) != dtype.itemsize:
        raise ValueError(f"a numpy scalar of {len(content)} bytes")
    return np.frombuffer(content, dtype)[0].item()


def _empty_numpy_array(kind: object, *_shape_and_code: object) -> Pending:
    if not isinstance(kind, AllowedGlobal) or kind.name != "numpy.ndarray":
        raise PickleRefusedError("it holds a numpy array of a class of its own: not allowed")
    return Pending(_numpy_array_of_state)


def _numpy_array_of_state(state: object) -> StoredArray:
    """Source: the state that ``numpy.ndarray.__reduce__`` documents."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise TypeError("a numpy array's state is not a tuple of 5")
    shape, dtype, is_fortran, content = state[-4:]
    return _numpy_array(content, dtype, shape, "F" if is_fortran else "C")


def _numpy_array(content: object, dtype: object, shape: object, order: object) -> StoredArray:
    if not isinstance(content, memoryview) or not isinstance(dtype, np.dtype):
        raise TypeError("a numpy array without content or type")
    sides = _whole_numbers(shape)
    array = StoredArray(
        Storage(content, dtype.name),
        sides,
        _fortran_strides(sides) if order == "F" else _fortran_strides(sides[::-1])[::-1],
        big_endian=dtype.byteorder == ">",
    )
    if array.num_bytes != len(content):
        raise ValueError(f"a numpy array of {array.num_bytes} bytes holds {len(content)}")
    return array


def _fortran_strides(sides: tuple[int, ...]) -> tuple[int, ...]:
    strides, stride = [], 1
    for side in sides:
        strides.append(stride)
        stride *= side
    return tuple(strides)


def _whole_numbers(values: object) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > 32:
        raise TypeError("a shape is not a tuple of up to 32 sides")
    if any(type(value) is not int for value in values):
        raise TypeError("a shape is not made of whole numbers")
    return tuple(values)


# PyTorch.


def _torch_tensor(
    storage: object, offset: object, size: object, stride: object, *_grad_and_hooks: object
) -> StoredArray:
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        raise TypeError("a tensor without a storage")
    return StoredArray(storage, _whole_numbers(size), _whole_numbers(stride), offset)


def _torch_parameter(data: object, *_grad_and_hooks: object) -> StoredArray:
    if not isinstance(data, StoredArray):
        raise TypeError("a parameter without a tensor")
    return data


def _torch_size(sides: object) -> tuple[int, ...]:
    return _whole_numbers(sides)


def _torch_device(kind: object, index: object = 0) -> str:
    if not isinstance(kind, str) or type(index) is not int:
        raise TypeError("a device is neither a name nor a name and a number")
    return one_line(kind)


def _storage_globals() -> Table:
    table: Table = {}
    for module in ("torch", "torch.cuda", "torch.storage"):
        for name in _TORCH_STORAGES:
            _allow(table, module, name)
    return table


class _LegacyStream:
    """A storage in the stream that ``torch.save`` wrote before its zip format.

    The stream is a run of pickles (magic number, protocol, system, the object, the keys of its
    storages), then for each key the number of elements and the elements.
    """

    def __init__(self, data: memoryview, limits: Limits) -> None:
        self.data = data
        self.position = 0
        self._limits = limits
        self._globals = _storage_globals()
        self._declared: dict[str, tuple[str, int]] = {}  # key -> element type, number of elements

    def pickle(self) -> object:
        machine = SafeUnpickler(
            self.data,
            self._globals,
            self._limits,
            position=self.position,
            persistent=self._persistent,
        )
        value = machine.load()
        self.position = machine.position
        return value

    def _persistent(self, identifier: object) -> str:
        """Note the declared storage and return its key, which stands for it."""
        if not isinstance(identifier, tuple) or len(identifier) not in (5, 6):
            raise PickleRefusedError("it refers to something else than a storage: not allowed")
        word, kind, key, _location, count, *view = identifier
        if word != "storage" or not isinstance(kind, AllowedGlobal) or view not in ([], [None]):
            raise PickleRefusedError("it refers to something else than a storage: not allowed")
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise PickleRefusedError("it is damaged: a storage without a key or a size")
        self._declared[key] = (_TORCH_STORAGES[kind.name.rpartition(".")[2]], count)
        return key

    def storages(self, keys: list[object]) -> dict[object, Storage]:
        found: dict[object, Storage] = {}
        for key in keys:
            if not isinstance(key, str) or key not in self._declared:
                raise PickleRefusedError("it is damaged: a storage that nothing refers to")
            dtype, count = self._declared[key]
            head = self.data[self.position : self.position + 8]
            start = self.position + 8
            stop = start + count * DTYPES[dtype].itemsize
            if int.from_bytes(head, "little") != count or stop > len(self.data):
                raise PickleRefusedError(
                    f"it is cut short or damaged: a storage of {count} elements is incomplete"
                )
            found[key] = Storage(self.data[start:stop], dtype)
            self.position = stop
        return found


def _legacy_storage(limits: Limits, content: object) -> Storage:
    if not isinstance(content, memoryview):
        raise TypeError("a storage without content")
    stream = _LegacyStream(content, limits)
    magic, protocol, system = stream.pickle(), stream.pickle(), stream.pickle()
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise PickleRefusedError("it holds a tensor in a form that official files do not use")
    if not isinstance(system, Mapping) or system.get("little_endian") is not True:
        raise PickleRefusedError("it holds tensors of a big-endian machine: not supported")
    key, keys = stream.pickle(), stream.pickle()
    storages = stream.storages(keys if isinstance(keys, list) else [])
    if not isinstance(key, str) or key not in storages:
        raise PickleRefusedError("it is damaged: a storage without content")
    return storages[key]

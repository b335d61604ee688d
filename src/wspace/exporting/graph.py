"""A small builder of ONNX graphs: nodes, weights, inputs and outputs, by standard operators alone.

The graphs are built by hand, not traced: what is written is the same with every version of torch,
takes no tracing, and holds the forms that runtimes are fast with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from wspace.errors import WspaceError

if TYPE_CHECKING:
    import onnx

__all__ = [
    "DEFAULT_OPSET",
    "IR_VERSION",
    "NEWEST_OPSET",
    "OLDEST_OPSET",
    "PRODUCER",
    "Graph",
    "Port",
    "WeightType",
    "require_onnx",
]

WeightType = Literal["float32", "float16", "int16", "int8"]

OLDEST_OPSET, DEFAULT_OPSET, NEWEST_OPSET = 13, 17, 23
IR_VERSION = 8  # read by every runtime that knows the default opset
PRODUCER = "wspace"

# Smaller weights stay in float32: their size does not count, their rounding may.
_MANY = 256
_SHOWN = 3  # inputs or outputs that `Graph.describe` names


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a graph, as its file describes it.

    Attributes:
        name: what callers feed or fetch it by.
        dtype: "float32", "int64" or "uint8".
        shape: its sides; a text stands for one that callers choose.
        about: what it is, and its range.
    """

    name: str
    dtype: Literal["float32", "int64", "uint8"]
    shape: tuple[int | str, ...]
    about: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into the facts of a file."""
        shape = list(self.shape)
        return {"name": self.name, "type": self.dtype, "shape": shape, "about": self.about}


def require_onnx() -> None:
    """Raise a WspaceError where onnx or onnxruntime is missing, before work is done for them."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise WspaceError(
            "ONNX files need the packages onnx and onnxruntime, which are not installed: pip "
            "install 'wspace[onnx]'."
        ) from None


@dataclass
class Graph:
    """A graph that grows node by node. Values are the names of tensors.

    Attributes:
        name: of the graph.
        weights: how large weights are stored; in int8 those of mapping are float16. int16 is as
            small as float16 and rounds less, since weights of one channel are of one size. All of
            them are float32 again before anything is computed: runtimes see to that when they
            load the file.
    """

    name: str
    weights: WeightType = "float32"
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    _nodes: list[Any] = field(default_factory=list)
    _stored: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    _numbers: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)
    _count: int = 0

    def take(self, port: Port) -> str:
        """Add an input."""
        self.inputs.append(port)
        return port.name

    def give(self, value: str, port: Port) -> None:
        """Make a value an output."""
        self.outputs.append(port)
        self._add("Identity", [value], [port.name], {})

    def call(self, operator: str, *values: str, **attributes: Any) -> str:
        """Apply a standard operator with one result; "" leaves an optional input out."""
        result = f"v{self._count}"
        self._count += 1
        self._add(operator, list(values), [result], attributes)
        return result

    def numbers(self, values: Any, dtype: npt.DTypeLike = np.float32) -> str:
        """A constant that nobody trained; the same numbers are stored once."""
        values = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._numbers:
            self._numbers[key] = self._store(f"n{len(self._numbers)}", array)
        return self._numbers[key]

    def whole(self, *values: int) -> str:
        """A list of whole numbers, such as axes or a shape."""
        return self.numbers(values, np.int64)

    def weight(self, name: str, tensor: Tensor, *, channels: int | None = None) -> str:
        """A trained tensor.

        Args:
            name: as the model's file has it.
            tensor: of any shape.
            channels: the axis of what it makes, such as output channels, each of which has a step
                of its own in int8 and int16; None for tensors that int8 leaves in float16, and in
                which each row has one in int16.
        """
        array = tensor.detach().cpu().float().numpy()
        if name in self._stored:
            name = f"{name}.{len(self._stored)}"
        if self.weights == "float32" or array.size < _MANY:
            return self._store(name, array)
        if self.weights == "float16" or (self.weights == "int8" and channels is None):
            return self._cast(name, _halved(array, name))
        others = tuple(axis for axis in range(array.ndim) if axis != (channels or 0))
        steps = np.abs(array).max(axis=others, keepdims=True) / np.iinfo(self.weights).max
        steps[steps == 0] = 1
        rounded = np.rint(array / steps).astype(self.weights)
        if self.weights == "int16":
            # Runtimes for browsers know no int16; and high bytes apart from low ones pack better.
            high, low = (rounded >> 8).astype(np.int8), (rounded & 255).astype(np.uint8)
            levels = self._cast(f"{name}.high", high)
            levels = self.call("Mul", levels, self.numbers(256))
            levels = self.call("Add", levels, self._cast(f"{name}.low", low))
        else:
            levels = self._cast(name, rounded)
        return self.call("Mul", levels, self._store(f"{name}.step", steps.astype(np.float32)))

    def describe(self) -> str:
        """Such as ``z (batch, 256) -> w (batch, 256)``; many noise maps are named once."""

        def listed(ports: list[Port]) -> str:
            texts = [f"{p.name} ({', '.join(map(str, p.shape))})" for p in ports]
            if len(texts) > _SHOWN:
                texts[_SHOWN - 1 : -1] = ["..."]
            return ", ".join(texts)

        return " -> ".join(listed(ports) for ports in (self.inputs, self.outputs) if ports)

    def model(self, opset: int, facts: Mapping[str, str], about: str) -> onnx.ModelProto:
        """The finished file.

        Args:
            opset: `OLDEST_OPSET` to `NEWEST_OPSET`.
            facts: texts that go along as metadata.
            about: what the graph does, for people.
        """
        from onnx import helper, numpy_helper

        graph = helper.make_graph(
            self._nodes,
            self.name,
            [_value(port) for port in self.inputs],
            [_value(port) for port in self.outputs],
            [numpy_helper.from_array(array, name) for name, array in self._stored.items()],
            doc_string=about,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=max(IR_VERSION, helper.find_min_ir_version_for([_opset(opset)])),
            producer_name=PRODUCER,
            doc_string=about,
        )
        helper.set_model_props(model, dict(facts))
        return model

    def _add(
        self, operator: str, values: list[str], results: Sequence[str], attributes: dict[str, Any]
    ) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(operator, values, results, **attributes))

    def _cast(self, name: str, array: npt.NDArray[Any]) -> str:
        """A stored tensor as float32."""
        return self.call("Cast", self._store(name, array), to=_type_number("float32"))

    def _store(self, name: str, array: npt.NDArray[Any]) -> str:
        self._stored[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name


def _halved(array: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float16]:
    largest = float(np.abs(array).max())
    if largest > float(np.finfo(np.float16).max):
        raise WspaceError(
            f"{name} holds {largest:g}, which float16 cannot: export with --dtype float32."
        )
    return array.astype(np.float16)


def _type_number(dtype: str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _opset(version: int) -> Any:
    from onnx import helper

    return helper.make_opsetid("", version)


def _value(port: Port) -> Any:
    from onnx import helper

    number = _type_number(port.dtype)
    return helper.make_tensor_value_info(port.name, number, list(port.shape), port.about)

"""Arrays that still lie in a file: checked on sight, copied only when somebody asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["DTYPES", "Storage", "StoredArray"]

# The element types that official files hold, by their common name in numpy and torch.
DTYPES: dict[str, torch.dtype] = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """A run of elements of one type in a file; ``len(buffer)`` is a multiple of their size."""

    buffer: memoryview
    dtype: str

    @property
    def num_elements(self) -> int:
        """How many whole elements the buffer holds."""
        return len(self.buffer) // DTYPES[self.dtype].itemsize


@dataclass(frozen=True, eq=False, slots=True)
class StoredArray:
    """An array over a `Storage`: shape, strides and offset in elements, no memory of its own.

    Raises:
        ValueError: the shape does not fit in the storage, or counts its elements more than once
            (which is how a small file asks for a huge array).
    """

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    big_endian: bool = False

    def __post_init__(self) -> None:
        numbers = (*self.shape, *self.strides, self.offset)
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("an array's shape, strides and offset must be whole numbers >= 0")
        if len(self.shape) != len(self.strides) or len(self.shape) > 32:
            raise ValueError(
                f"an array has {len(self.shape)} sides and {len(self.strides)} strides"
            )
        held = self.storage.num_elements
        if self.num_elements > held or self.offset + self._span > held:
            raise ValueError(
                f"an array of shape {'x'.join(map(str, self.shape))[:80]} "
                f"is declared over {held} stored elements"
            )

    @property
    def num_elements(self) -> int:
        """The product of the shape; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """What `tensor` will allocate."""
        return self.num_elements * DTYPES[self.storage.dtype].itemsize

    @property
    def _span(self) -> int:
        """Elements from the first one to the last one, both included."""
        if self.num_elements == 0:
            return 0
        return 1 + sum(
            (side - 1) * stride for side, stride in zip(self.shape, self.strides, strict=True)
        )

    def tensor(self) -> Tensor:
        """Copy the array out of the file: a contiguous tensor of its shape and element type."""
        dtype = DTYPES[self.storage.dtype]
        if self.num_elements == 0:
            return torch.empty(self.shape, dtype=dtype)
        start = self.offset * dtype.itemsize
        stop = start + self._span * dtype.itemsize
        raw = np.frombuffer(self.storage.buffer[start:stop], dtype=np.uint8).copy()
        if self.big_endian:
            raw = raw.reshape(-1, dtype.itemsize)[:, ::-1].reshape(-1).copy()
        return torch.from_numpy(raw).view(dtype).as_strided(self.shape, self.strides).contiguous()

"""The numbers of a run for TensorBoard, where that was asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from wspace.errors import WspaceError

__all__ = ["Scalars", "require_tensorboard"]

_GROUPS = (
    ("loss_", "loss/"),
    ("right_", "right/"),
    ("augment_", "augment/"),
)  # what fields of the log begin with
_NO_SCALARS = ("step", "event", "message", "best")


def require_tensorboard() -> Any:
    """torch's module that writes for TensorBoard.

    Raises:
        WspaceError: TensorBoard is not installed.
    """
    try:
        return importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        raise WspaceError(
            "tensorboard=true needs TensorBoard, which is not installed: "
            "pip install 'wspace[track]'."
        ) from None


class Scalars:
    """Writes what the log says into RUN/tensorboard, too; context manager.

    Args:
        run: the run folder.
        step: from which on the run goes on: what was written after it is dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        module = require_tensorboard()
        self._writer: Any = module.SummaryWriter(str(run / "tensorboard"), purge_step=step)

    def write(self, record: dict[str, Any]) -> None:
        """Write the numbers of a record of the log."""
        for name, value in record.items():
            if name in _NO_SCALARS or not isinstance(value, int | float):
                continue
            for start, group in _GROUPS:
                if name.startswith(start):
                    name = group + name.removeprefix(start)
            self._writer.add_scalar(name, value, record["step"])

    def __enter__(self) -> Scalars:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

"""Numbers for TensorBoard: where it is installed, and what is said where it is not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_run import make_config

from wspace.errors import WspaceError
from wspace.training import loop


class Writer:
    """Stands for torch's SummaryWriter, which needs TensorBoard."""

    written: list[tuple[str, float, int]] = []  # noqa: RUF012

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        Writer.written = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        Writer.written.append((tag, value, step))

    def close(self) -> None:
        Writer.written.append(("closed", 0.0, 0))


def test_where_it_is_missing_a_line_says_how_to_install_it_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(WspaceError, match=r"pip install 'wspace\[track\]'\.$"):
        loop.start(make_config(tmp_path, tensorboard=True), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_the_log_says_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(SummaryWriter=Writer)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)  # type: ignore[arg-type]
    config = make_config(tmp_path, tensorboard=True, discriminator="preset", augment="ada")
    loop.start(config, tmp_path / "runs")
    tags = {tag for tag, _, step in Writer.written if step == 20}
    assert {"loss/generator", "loss/discriminator", "right/real", "right/fake", "kimg"} <= tags
    assert {"augment/strength", "augment/overfitting"} <= tags
    assert Writer.written[-1][0] == "closed"


def test_it_is_not_loaded_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run = loop.start(make_config(tmp_path, steps=2), tmp_path / "runs").run
    assert not (run / "tensorboard").exists()

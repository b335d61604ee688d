"""README.md: its commands run with the bundled model and make the pictures beside them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wspace.formats.model_file import bundled_models, load, read_metadata

README = (Path(__file__).parents[1] / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("wspace ")]


def test_the_commands_beside_the_pictures_run(
    run_wspace: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(commands()) >= 2
    for command in commands():
        ran = run_wspace(*shlex.split(command)[1:])
        assert ran.status == 0, (command, ran.err)
    for name in re.findall(r"\]\(docs/images/([^)]+)\)", README):
        made = np.asarray(Image.open(tmp_path / name).convert("RGB"), dtype=np.int16)
        shown = Path(__file__).parents[1] / "docs/images" / name
        kept = np.asarray(Image.open(shown).convert("RGB"), dtype=np.int16)
        # another machine's last bit may differ; another model or layout does not pass
        assert made.shape == kept.shape, name
        assert np.abs(made - kept).max() <= 2, name


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(code, {})
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("name", "most_bytes", "resolution", "channels", "classes"),
    [("avatars", 12 * 10**6, 64, 3, 0), ("clothes", 4 * 10**6, 32, 1, 10)],
)
def test_a_bundled_model_is_small_and_says_what_it_is(
    name: str, most_bytes: int, resolution: int, channels: int, classes: int
) -> None:
    assert bundled_models()[name].stat().st_size <= most_bytes
    generator = load(name)
    made = (generator.resolution, generator.image_channels, generator.num_classes)
    assert made == (resolution, channels, classes)
    assert classes == len(generator.class_names or ())
    metadata = read_metadata(name)["metadata"]
    assert {"licence", "attribution", "kimg", "training", "quality"} <= set(metadata)
    assert metadata["licence"]
    training = metadata["training"]
    adversarial = training.get("adversarial", training)  # as an earlier version wrote it
    assert adversarial["style_mixing_probability"] == 0.9

"""Features by DINOv2: what is read, and what pictures become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from tiny_dinov2 import dinov2_weights

from wspace.errors import WspaceError
from wspace.metrics.features.dinov2 import DEVIATION, MEAN, DinoExtractor


def test_pictures_are_resized_and_normalised_as_in_its_training(tmp_path: Path) -> None:
    safetensors.torch.save_file(dinov2_weights(), tmp_path / "weights.safetensors")
    extractor = DinoExtractor(tmp_path / "weights.safetensors")
    assert (extractor.dim, extractor.name) == (64, "dinov2")
    assert "64² (bicubic" in extractor.rule  # 16 patches of 4 pixels
    pixels = np.random.RandomState(0).randint(0, 256, (100, 100, 3), dtype=np.uint8)
    channels = [
        np.asarray(
            Image.fromarray(pixels[:, :, i].astype(np.float32)).resize(
                (64, 64), Image.Resampling.BICUBIC
            )
        )
        for i in range(3)
    ]
    images = torch.from_numpy(np.stack(channels) / 255).clamp(0, 1).float()
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    with torch.inference_mode():
        expected = extractor._network(((images - mean) / deviation)[None])
    found = extractor(torch.from_numpy(pixels).permute(2, 0, 1)[None])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    grey = torch.full((1, 1, 16, 16), 9, dtype=torch.uint8)
    assert torch.equal(extractor(grey), extractor(grey.expand(1, 3, 16, 16)))


def test_other_weights_are_other_features(tmp_path: Path) -> None:
    ids = set()
    for k, side in enumerate((3, 4)):
        path = tmp_path / f"{k}.safetensors"
        safetensors.torch.save_file(dinov2_weights(side=side), path)
        ids.add(DinoExtractor(path).id)
    assert len(ids) == 2


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"cannot read .*No such file"):
        DinoExtractor(tmp_path / "none")
    pickled = tmp_path / "weights.pth"
    torch.save(dinov2_weights(), pickled)
    with pytest.raises(WspaceError, match="is no safetensors file"):
        DinoExtractor(pickled)
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WspaceError, match=r"other.safetensors: the weights lack patch_embed"):
        DinoExtractor(tmp_path / "other.safetensors")

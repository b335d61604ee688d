"""Features by a TorchScript file: only a known one is ever loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.metrics.features.inception import KNOWN_FILES, InceptionExtractor


class StandIn(nn.Module):
    """As the official file is called: pixels and a flag to (N, 2048)."""

    def forward(self, pixels: Tensor, return_features: bool = False) -> Tensor:
        assert return_features
        assert pixels.dtype == torch.uint8
        means = pixels.float().mean(dim=(2, 3))  # (N, 3)
        return means.repeat(1, 683)[:, :2048]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "stand-in.pt"
    torch.jit.script(StandIn()).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_known_file_gives_its_features(script: Path) -> None:
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    extractor = InceptionExtractor(script, known_files={digest: "stand-in.pt"})
    assert (extractor.name, extractor.dim) == ("inception", 2048)
    assert digest[:12] in extractor.id
    pixels = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    found = extractor(pixels)
    assert found.shape == (20, 2048)
    torch.testing.assert_close(found[:, 5], pixels.float().mean(dim=(1, 2, 3)))


def test_any_other_file_is_refused_and_not_run(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.jit, "load")
    with pytest.raises(WspaceError, match=r"is not the Inception network of FID \(SHA-256"):
        InceptionExtractor(script)
    with pytest.raises(WspaceError, match=r"cannot read .*No such file"):
        InceptionExtractor(tmp_path / "none.pt")


def test_the_official_file_is_the_only_known_one() -> None:
    assert list(KNOWN_FILES.values()) == ["inception-2015-12-05.pt"]
    assert all(len(digest) == 64 for digest in KNOWN_FILES)

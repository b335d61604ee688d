"""Fine-tuning: what a model has learned goes on in networks for other pictures.

The networks are the model's own, made for the size, the channels and the classes of the new
pictures. What has a place in them is kept; what has not starts as near to it as can be: a new class
as the mean of those known, grey as what the eye sees of colours, a new size as the old pictures
enlarged or made smaller, another shape as what the blocks draw from a stretched constant.

Source: blocks that are kept while others come, Karras et al. 2018 (ProGAN), Section 2, without the
fade; `growing` has that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AliasFreeConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    ProjectedConfig,
    num_blocks,
)
from wspace.networks.generator import Generator
from wspace.networks.layers import EqualizedLinear
from wspace.networks.mapping import MappingNetwork
from wspace.networks.presets import PRESETS, preset
from wspace.networks.projected import ProjectedDiscriminator
from wspace.networks.stylegan1.discriminator import Discriminator
from wspace.networks.stylegan1.synthesis import AdaINSynthesis
from wspace.networks.stylegan2.discriminator import DemodulatedDiscriminator
from wspace.networks.stylegan2.synthesis import DemodulatedSynthesis
from wspace.networks.stylegan3.synthesis import AliasFreeSynthesis
from wspace.networks.styles import pixel_norm
from wspace.sizes import Resolution, Size, size_of

__all__ = [
    "Shape",
    "carried_discriminator",
    "carried_generator",
    "kin_by_name",
    "names_kept",
    "preset_of",
]

Kin = tuple[int | None, ...] | None  # for each new class the old one that it is, or None

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: Rec. 601
# Pixels that a new layer to colours is fitted to, and pictures that they come from.
_FITTED_PIXELS, _FITTED_PICTURES = 2**17, 64


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What pictures ask of networks.

    Attributes:
        resolution: side in pixels where they are square, else height and width.
        num_classes: 0 for none.
        image_channels: 1, 3 or 4.
    """

    resolution: Resolution
    num_classes: int
    image_channels: int

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return size_of(self.resolution)


def preset_of(config: GeneratorConfig) -> str | None:
    """The preset whose generator this is at some size, with some classes; None: nobody's."""
    if not _has_presets(config):
        return None
    made = {name: preset(name, **vars(_shape_of(config)))[0] for name in PRESETS}
    return next((name for name, its in made.items() if its == config), None)


def carried_generator(old: Generator, shape: Shape, kin: Kin = None) -> tuple[Generator, list[str]]:
    """A generator for other pictures that draws as nearly as it can what ``old`` draws.

    Args:
        old: the model's.
        shape: of the new pictures.
        kin: for each new class the old one that it is, or None; None where those of one number are
            the same.

    Returns:
        The generator, which is ``old`` itself where the shape is its own, and what has changed, in
        words.

    Raises:
        WspaceError: its architecture cannot be made for another size.
    """
    config = old.config
    if shape == _shape_of(config) and _in_order(kin):
        return old, []
    mapping = replace(config.mapping, class_means=shape.num_classes > 0)
    changes: dict[str, Any] = {"class_names": None, "mapping": mapping}
    if shape.resolution != config.resolution:
        if isinstance(config.synthesis, AliasFreeConfig):
            raise WspaceError(
                f"a StyleGAN3 network of {config.size} cannot go on at {shape.size}: all its "
                "layers depend on the size; scale the pictures with `wspace data build`."
            )
        if shape.size.block.square_side != config.size.block.square_side:
            raise WspaceError(
                f"a network of {config.size} cannot go on at {shape.size}: it begins with a block "
                f"of {config.size.block}, and those pictures with one of {shape.size.block}, of "
                "quite another size; scale them with "
                f"`wspace data build --size {config.size.short}`."
            )
        channels = _channels(config.synthesis.channels, shape.resolution, preset_of(config))
        changes["synthesis"] = replace(config.synthesis, channels=channels)
    new = build_generator(replace(config, **vars(shape), **changes))
    _copy(old, new, renamed=_renamed(old, new))
    said = _carry_classes_of_mapping(old.mapping, new.mapping, kin)
    said += _carry_colours(old, new, old.image_channels, new.image_channels)
    if shape.resolution != old.resolution:
        said.append(_carry_size(old, new))
    return new.eval().requires_grad_(False), said


def carried_discriminator(
    old: nn.Module, shape: Shape, mapping: MappingConfig, kin: Kin = None
) -> tuple[nn.Module | None, list[str]]:
    """A discriminator for other pictures that judges as nearly as it can as ``old`` does.

    Args:
        old: the model's.
        shape: of the new pictures.
        mapping: the generator's, which StyleGAN2's discriminator takes classes by, where its own
            has none.
        kin: as in `carried_generator`.

    Returns:
        The discriminator, which is ``old`` itself where the shape is its own, and what has changed,
        in words; None: it sees another size through a pretrained network, and has no place for it.
    """
    config = cast(DiscriminatorConfig | ProjectedConfig, old.config)
    if shape == _shape_of(config) and _in_order(kin):
        return old, []
    if isinstance(config, ProjectedConfig):
        if shape.resolution != config.resolution:
            return None, []  # its heads are numbered from the image down
        new = build_discriminator(replace(config, **cast(Any, vars(shape))))
    else:
        changes: dict[str, Any] = {}
        if shape.resolution != config.resolution:
            known = _preset_of_discriminator(config)
            changes["channels"] = _channels(config.channels, shape.resolution, known)
        if config.architecture == "demodulated" and bool(config.num_classes) != bool(
            shape.num_classes
        ):
            own = replace(mapping, w_avg_beta=None, class_means=False)
            changes["mapping"] = own if shape.num_classes else None
            changes["class_dim"] = None
        new = build_discriminator(replace(config, **vars(shape), **changes))
    _copy(old, new)
    _carry_last_maps(old, new)
    said = _carry_classes_of_judge(old, new, kin)
    said += _carry_colours(old, new, config.image_channels, shape.image_channels)
    if shape.size.block != config.size.block:
        said.append(f"what it sees at last is stretched to {shape.size.block}")
    if shape.size.doublings > config.size.doublings:
        said.append(f"its blocks above {config.size} are new")
    elif shape.size.doublings < config.size.doublings:
        said.append(f"its layer that reads {shape.size} pictures is new")
    return new.eval().requires_grad_(False), said


def _has_presets(config: GeneratorConfig | DiscriminatorConfig) -> bool:
    return all(8 <= side <= 1024 for side in config.size)


def _shape_of(config: GeneratorConfig | DiscriminatorConfig | ProjectedConfig) -> Shape:
    return Shape(
        resolution=config.resolution,
        num_classes=config.num_classes,
        image_channels=config.image_channels,
    )


def _channels(own: tuple[int, ...], resolution: Resolution, name: str | None) -> tuple[int, ...]:
    """Channels of the blocks up to another size: the preset's, or each half of the one before."""
    blocks = num_blocks(resolution)
    if name is not None:
        synthesis = preset(name, resolution=resolution)[0].synthesis
        channels = cast(Any, synthesis).channels
        if channels[: len(own)] == own[:blocks]:
            return tuple(channels)
    more = [max(own[-1] // 2**k, 1) for k in range(1, blocks - len(own) + 1)]
    return (*own[:blocks], *more)


def _preset_of_discriminator(config: DiscriminatorConfig) -> str | None:
    for name in PRESETS if _has_presets(config) else ():
        made = preset(name, resolution=config.resolution)[1]
        if made.channels == config.channels and made.hidden_dim == config.hidden_dim:
            return name
    return None


def _copy(old: nn.Module, new: nn.Module, renamed: tuple[str, str] | None = None) -> None:
    """Copy every tensor that has a place of its own shape in ``new``; the first name goes there."""
    places = new.state_dict()
    for name, tensor in old.state_dict().items():
        if renamed is not None:
            name = name.replace(*renamed)
        if name in places and places[name].shape == tensor.shape:
            places[name].copy_(tensor)


def _renamed(old: nn.Module, new: nn.Module) -> tuple[str, str] | None:
    """StyleGAN3's last layer has its channels in its name."""
    parts = [cast(nn.Module, network.synthesis) for network in (old, new)]
    if not isinstance(parts[0], AliasFreeSynthesis):
        return None
    names = [list(dict(part.named_children()))[-1] for part in parts]
    return names[0], names[1]


# -- classes


def kin_by_name(old: Sequence[str] | None, new: Sequence[str] | None) -> Kin:
    """For each new class the old one of its name, or None; None where one side has no names."""
    if old is None or new is None:
        return None
    known = {name.casefold(): k for k, name in enumerate(old)}
    return tuple(known.get(name.casefold()) for name in new)


def names_kept(old: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    """What ``count`` classes without names are called, after a model's classes of their numbers."""
    if old is None or count == 0:
        return None
    names = (*old[:count], *map(str, range(len(old), count)))
    return names if len(set(names)) == count else None


def _in_order(kin: Kin) -> bool:
    return kin is None or kin == tuple(range(len(kin)))


def _classes(old: int, new: int, kin: Kin) -> Tensor:
    """(new, old), 1 at least: what each class starts as a mean of.

    Kin are the same class; a new one starts as the mean of all, and so do pictures without classes.
    """
    rows = torch.full((max(new, 1), max(old, 1)), 1 / max(old, 1))
    for k, known in _pairs(old, new, kin):
        rows[k] = torch.eye(old)[known]
    return rows


def _pairs(old: int, new: int, kin: Kin) -> list[tuple[int, int]]:
    """New classes that are old ones."""
    if kin is None:
        return [(k, k) for k in range(min(old, new))]
    return [(k, known) for k, known in enumerate(kin) if known is not None]


def _said_of_classes(old: int, new: int, kin: Kin) -> list[str]:
    if old and new and not _in_order(kin):
        kept = len(_pairs(old, new, kin))
        said = f"{kept} of its {old} classes are kept, known by their names"
        return [said if kept == new else f"{said}, {new - kept} start as the mean of all"]
    if old == new:
        return []
    if not new:
        return [f"its {old} classes become one, their mean"]
    if not old:
        return [f"{new} classes start alike"]
    if new < old:
        return [f"classes 0 to {new - 1} of its {old} are kept"]
    return [f"classes {old} to {new - 1} start as the mean of its {old}"]


@torch.no_grad()
def _carry_classes_of_mapping(old: MappingNetwork, new: MappingNetwork, kin: Kin) -> list[str]:
    """Make a mapping network find w as another does that knows other classes."""
    if old.num_classes == new.num_classes and _in_order(kin):
        return []
    joined = new.config.class_input == "concat"  # StyleGAN1: rows beside z; others: an embedding
    if old.num_classes and new.num_classes:
        rows = _classes(old.num_classes, new.num_classes, kin)
        if joined:
            new.class_rows.copy_(rows @ old.class_rows)
        else:
            was, now = (network.embed for network in (old, new))
            now.weight.copy_(was.weight @ rows.T * (was.weight_scale / now.weight_scale))
        if old.class_w_avg is not None and new.class_w_avg is not None:
            new.class_w_avg.zero_()  # what is new has no mean yet
            for k, known in _pairs(old.num_classes, new.num_classes, kin):
                new.class_w_avg[k] = old.class_w_avg[known]
    else:
        _carry_first_layer(old, new, joined)
    return _said_of_classes(old.num_classes, new.num_classes, kin)


def _carry_first_layer(old: MappingNetwork, new: MappingNetwork, joined: bool) -> None:
    """The layer that classes come to, where only one of two mapping networks knows any."""
    dim = new.z_dim
    was, now = (cast(EqualizedLinear, network.fc0) for network in (old, new))
    scale = was.weight_scale / now.weight_scale
    if old.num_classes:  # what the classes added on the mean goes into the bias
        if joined:
            added = old.class_rows.mean(dim=0)
        else:
            added = pixel_norm(old.embed(torch.eye(old.num_classes))).mean(dim=0)
        now.weight.copy_(was.weight[:, :dim] * scale)
        now.bias.copy_(was.bias + was.weight[:, dim:] @ added * (was.weight_scale / was.bias_scale))
    elif joined:  # rows of zeros, which leave z √2 times as large
        new.class_rows.zero_()
        scale *= math.sqrt(0.5) if new.config.normalize_z else 1.0
        now.weight[:, :dim] = was.weight * scale
        now.bias.copy_(was.bias)
    else:  # all classes in one place, and what that adds is taken off the bias
        new.embed.weight.zero_()
        new.embed.bias.normal_()
        added = pixel_norm(new.embed.bias[None])[0]
        now.weight[:, :dim] = was.weight * scale
        now.bias.copy_(was.bias - now.weight[:, dim:] @ added * (now.weight_scale / now.bias_scale))


@torch.no_grad()
def _carry_classes_of_judge(old: nn.Module, new: nn.Module, kin: Kin) -> list[str]:
    """Make a discriminator judge as another does that knows other classes."""
    was, now = (cast(Any, network).config.num_classes for network in (old, new))
    if was == now and _in_order(kin):
        return []
    rows = _classes(was, now, kin)
    if isinstance(old, Discriminator) and isinstance(new, Discriminator):
        new.dense1.weight.copy_(rows @ old.dense1.weight)
        new.dense1.bias.copy_(rows @ old.dense1.bias)
    elif isinstance(old, ProjectedDiscriminator) and isinstance(new, ProjectedDiscriminator):
        pairs = zip([*old.heads, old.image_head], [*new.heads, new.image_head], strict=True)
        for mine, theirs in cast(Any, pairs):
            weight = torch.tensordot(rows, mine.judge.parametrizations.weight.original, dims=1)
            _set_weight(theirs.judge, weight)
            theirs.judge.bias.copy_(rows @ mine.judge.bias)
    elif isinstance(old, DemodulatedDiscriminator) and isinstance(new, DemodulatedDiscriminator):
        _carry_projection(old, new, kin)
    return _said_of_classes(was, now, kin)


def _carry_projection(
    old: DemodulatedDiscriminator, new: DemodulatedDiscriminator, kin: Kin
) -> None:
    """StyleGAN2's: the score is the product of what the last layer says and a class's vector."""
    if old.class_dim and new.class_dim:
        _carry_classes_of_mapping(old.mapping, new.mapping, kin)
        return
    network = old if old.class_dim else new
    classes = torch.eye(network.config.num_classes)
    vector = network.mapping.w(None, classes).mean(dim=0) / math.sqrt(network.class_dim)
    if not old.class_dim:  # so that the product with the vector is what the layer said before
        vector = vector / vector.square().sum()
    shape = (-1, 1) if not old.class_dim else (1, -1)
    new.b4.out.weight.copy_(vector.reshape(shape) @ old.b4.out.weight)
    new.b4.out.bias.copy_(vector.reshape(shape) @ old.b4.out.bias)


# -- channels


def _colours(old: int, new: int) -> tuple[Tensor, Tensor]:
    """The same pictures in other channels: their values times (new, old), plus (new,).

    Grey is the luma of colours; what has alpha is laid on white, and what has none is opaque.
    """
    white = torch.cat([torch.eye(3), -torch.ones(3, 1)], dim=1)  # of premultiplied colours
    to_rgb = {
        1: (torch.ones(3, 1), torch.zeros(3)),
        3: (torch.eye(3), torch.zeros(3)),
        4: (white, torch.ones(3)),
    }
    luma = torch.tensor([LUMA])
    of_rgb = {
        1: (luma, torch.zeros(1)),
        3: (torch.eye(3), torch.zeros(3)),
        4: (torch.eye(4)[:, :3], torch.eye(4)[3]),
    }
    (first, added), (second, more) = to_rgb[old], of_rgb[new]
    return second @ first, second @ added + more


@torch.no_grad()
def _carry_colours(old: nn.Module, new: nn.Module, was: int, now: int) -> list[str]:
    """Make layers that make or read channels agree with those of other channels."""
    if was == now:
        return []
    (made, added), (read, offset) = _colours(was, now), _colours(now, was)
    generator = isinstance(old, Generator)
    renamed = _renamed(old, new) if generator else None
    synthesis: Any = getattr(new, "synthesis", None)
    sums = isinstance(synthesis, DemodulatedSynthesis)
    output = synthesis.output_scale if isinstance(synthesis, AliasFreeSynthesis) else 1.0
    layers = dict(new.named_modules())
    for name, layer in old.named_modules():
        twin: Any = layers.get(name if renamed is None else name.replace(*renamed))
        weight, other = _original(layer), None if twin is None else _original(twin)
        if weight is None or other is None or weight.shape == other.shape:
            continue
        bias = cast(Any, layer).bias
        if generator and weight.shape[1:] == other.shape[1:]:  # makes channels
            _set_weight(twin, torch.tensordot(made, weight, dims=1))
            twin.bias.copy_(made @ bias + (0 if sums else added / output))
        elif not generator and weight.shape[0] == other.shape[0]:  # reads them
            scale = getattr(layer, "weight_scale", 1.0)
            reading = torch.einsum("oiyx,in->onyx", weight, read)
            _set_weight(twin, reading * (scale / getattr(twin, "weight_scale", 1.0)))
            twin.bias.copy_(bias + torch.einsum("oiyx,i->o", weight, offset) * scale)
    if sums:  # what its blocks make is added up
        synthesis.blocks[-1].torgb.bias += added
    return [{1: "it becomes grey", 3: "it becomes colour", 4: "it gets alpha"}[now]]


def _original(layer: nn.Module) -> Tensor | None:
    """A convolution's own weight, without its spectral norm; None: it is none."""
    if hasattr(layer, "parametrizations"):
        return cast(Tensor, cast(Any, layer).parametrizations.weight.original)
    weight = layer._parameters.get("weight")
    return weight if weight is not None and weight.ndim == 4 else None


def _set_weight(layer: nn.Module, weight: Tensor) -> None:
    """Give a layer a weight; the vectors that its spectral norm is found by follow."""
    own = _original(layer)
    assert own is not None
    own.copy_(weight)
    if hasattr(layer, "parametrizations"):
        norm = cast(Any, layer).parametrizations.weight[0]
        left, _, right = torch.linalg.svd(weight.flatten(start_dim=1), full_matrices=False)
        norm._u.copy_(left[:, 0])
        norm._v.copy_(right[0])


# -- size


@torch.no_grad()
def _carry_last_maps(old: nn.Module, new: nn.Module) -> None:
    """Make a discriminator's first dense layer read maps of another shape as stretched ones."""
    if isinstance(old, Discriminator) and isinstance(new, Discriminator):
        was, now = old.dense0, new.dense0
    elif isinstance(old, DemodulatedDiscriminator) and isinstance(new, DemodulatedDiscriminator):
        was, now = old.b4.fc, new.b4.fc
    else:
        return
    before, after = (cast(DiscriminatorConfig, cast(Any, n).config).size.block for n in (old, new))
    if before == after:
        return
    weight = _stretched(was.weight.unflatten(1, (-1, *before)), after)
    gain = before.area / after.area * was.weight_scale / now.weight_scale
    now.weight.copy_(weight.flatten(start_dim=1) * gain)
    now.bias.copy_(was.bias)


def _stretched(maps: Tensor, size: Size) -> Tensor:
    """(N, C, H, W) to maps of another height and width."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _carry_size(old: Generator, new: Generator) -> str:
    """Make a generator of another size draw ``old``'s pictures in its own.

    Where its first block has another shape, the constant is stretched to that: what the blocks draw
    keeps its size, and there is more or less of it.
    """
    said = []
    if new.size.block != old.size.block:
        _stretch_constant(old.synthesis, new.synthesis, new.size.block)
        said.append(f"its constant is stretched to {new.size.block}")
    more = new.size.doublings - old.size.doublings
    if not more:
        return "; ".join(said)
    kept = min(new.size.doublings, old.size.doublings)
    up = ", those above are new" if more > 0 else ""
    said.append(f"blocks to {new.size.halved(new.size.doublings - kept)} are kept{up}")
    synthesis = new.synthesis
    if isinstance(synthesis, AdaINSynthesis):
        _fit_colours(old, new)
        return "; ".join([*said, "the layer to colours is fitted to its pictures"])
    assert isinstance(synthesis, DemodulatedSynthesis)
    if synthesis.blocks[-1].architecture != "skip":
        return "; ".join([*said, "the layer to colours is new"])
    for block in synthesis.blocks[kept + 1 :]:  # they add nothing to what those below have drawn
        block.torgb.weight.data.zero_()
    return "; ".join(said)


@torch.no_grad()
def _stretch_constant(old: nn.Module, new: nn.Module, block: Size) -> None:
    if isinstance(old, AdaINSynthesis) and isinstance(new, AdaINSynthesis):
        new.const.copy_(_stretched(old.const, block))
    elif isinstance(old, DemodulatedSynthesis) and isinstance(new, DemodulatedSynthesis):
        first, stretched = new.blocks[0], old.blocks[0].const[None]
        first.const.copy_(_stretched(stretched, block)[0])


@torch.no_grad()
def _fit_colours(old: Generator, new: Generator) -> None:
    """The best layer from the last block's maps to colours: least squares on ``old``'s pictures."""
    synthesis = cast(Any, new.synthesis)
    count = min(_FITTED_PICTURES, max(_FITTED_PIXELS // new.size.area, 4))
    z = torch.randn(count, old.z_dim)
    c = None
    if old.num_classes:
        c = F.one_hot(torch.arange(count) % old.num_classes, old.num_classes).float()
    ws = old.mapping(z, c)
    pictures = _colours_of(old.synthesis(ws, "none"), new.image_channels)
    mode = "nearest" if new.size.doublings > old.size.doublings else "area"
    wanted = F.interpolate(pictures, size=new.size, mode=mode)
    last = synthesis.to_rgb[-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
    synthesis(ws[:, :1].expand(-1, new.num_ws, -1), "none")
    hook.remove()
    maps = seen[0].movedim(1, -1).flatten(0, 2)  # (N, H, W, C) as (pixels, C)
    maps = torch.cat([maps, torch.ones(len(maps), 1)], dim=1)
    targets = wanted.movedim(1, -1).flatten(0, 2)
    # a little of ridge regression: maps may be alike
    gram = maps.T @ maps
    gram += torch.eye(len(gram)) * (1e-4 * gram.diagonal().mean())
    solution = torch.linalg.solve(gram, maps.T @ targets)  # (C + 1, image_channels)
    weight, bias = solution[:-1].T, solution[-1]
    last.weight.copy_(weight[:, :, None, None] / last.weight_scale)
    last.bias.copy_(bias)


def _colours_of(pictures: Tensor, channels: int) -> Tensor:
    if pictures.shape[1] == channels:
        return pictures
    made, added = _colours(pictures.shape[1], channels)
    return torch.einsum("no,bohw->bnhw", made, pictures) + added[:, None, None]

"""Writes pickles in the layout of the official releases, as data only, for tests to read.

PyTorch: persistence records of module trees, with the attributes that the fixtures' pickles have.
TensorFlow: Network records with their variables. No official code is needed: the classes that the
pickles name are stand-ins that exist while a file is written.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class _Module:
    """Pickles as an instance of a persistent class does."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('this text is never run')",
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self) -> Any:
        module = sys.modules["torch_utils.persistence"]
        return module._reconstruct_persistent_obj, (self.meta,)


@contextlib.contextmanager
def official_classes() -> Iterator[None]:
    """Let the pickled names exist: ``dnnlib.tflib.network.Network`` and the like."""

    def reconstruct(meta: Any) -> Any:
        raise AssertionError("nothing may call this")

    reconstruct.__module__ = "torch_utils.persistence"
    reconstruct.__qualname__ = reconstruct.__name__ = "_reconstruct_persistent_obj"
    network = type("Network", (), {"__module__": "dnnlib.tflib.network"})
    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    homes = {
        "dnnlib": {},
        "dnnlib.util": {"EasyDict": easy},
        "dnnlib.tflib": {},
        "dnnlib.tflib.network": {"Network": network},
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": reconstruct},
    }
    for name, content in homes.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in homes:
            del sys.modules[name]


def write_pytorch(path: Path, protocol: int = 4, **networks: _Module) -> Path:
    """Write a snapshot with the given networks: G=..., D=..., G_ema=..."""
    with official_classes():
        easy = sys.modules["dnnlib.util"].EasyDict
        content = {
            "training_set_kwargs": easy(path="datasets/tiny.zip", resolution=32),
            **networks,
            "augment_pipe": None,
        }
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def pytorch_network(tensors: Tensors, attributes: dict[str, dict[str, Any]]) -> _Module:
    """A network of PyTorch tensors by their dotted names, with attributes by module path."""
    paths = {""}
    for name in [f"{name}" for name in tensors] + [f"{path}." for path in attributes if path]:
        parts = name.split(".")[:-1]
        paths |= {".".join(parts[:i]) for i in range(len(parts) + 1)}
    return _pytorch_module("", tensors, attributes, paths)


def _pytorch_module(
    path: str, tensors: Tensors, attributes: dict[str, dict[str, Any]], paths: set[str]
) -> _Module:
    prefix = f"{path}." if path else ""
    own = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix) and "." not in name.removeprefix(prefix)
    }
    buffers = {"w_avg", "resample_filter", "noise_const", "magnitude_ema", "up_filter"}
    buffers |= {"down_filter", "transform", "freqs", "phases"}
    children = [p for p in sorted(paths) if p and p.rpartition(".")[0] == path]
    state = {
        "training": False,
        "_parameters": OrderedDict(
            (leaf, torch.nn.Parameter(t)) for leaf, t in own.items() if leaf not in buffers
        ),
        "_buffers": OrderedDict((leaf, t) for leaf, t in own.items() if leaf in buffers),
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": OrderedDict(
            (child.rpartition(".")[2], _pytorch_module(child, tensors, attributes, paths))
            for child in children
        ),
        **attributes.get(path, {}),
    }
    state.setdefault("_init_args", ())
    state.setdefault("_init_kwargs", {})
    return _Module(path.rpartition(".")[2] or "Generator", state)


def stylegan2_generator(tensors: Tensors, **options: Any) -> _Module:
    """A StyleGAN2 generator; options: conv_clamp, architecture, activation, use_noise, flat."""
    architecture = options.get("architecture", "skip")
    activation = options.get("activation", "lrelu")
    layer = {
        "activation": activation,
        "conv_clamp": options.get("conv_clamp"),
        "use_noise": options.get("use_noise", True),
        "act_gain": 2**0.5,
    }
    sides = sorted({int(n.split(".")[1][1:]) for n in tensors if n.startswith("synthesis.b")})
    num_classes, z_dim, w_dim = _mapping_sizes(tensors)
    image_channels = tensors[f"synthesis.b{sides[-1]}.torgb.weight"].shape[0]
    sizes = {"img_resolution": sides[-1], "img_channels": image_channels, "w_dim": w_dim}
    synthesis_kwargs = {"channel_base": 512, "num_fp16_res": 4, **options.get("kwargs", {})}
    # StyleGAN2-ADA nests these, StyleGAN3's repository passes them flat.
    given = synthesis_kwargs if options.get("flat") else {"synthesis_kwargs": synthesis_kwargs}
    attributes: dict[str, dict[str, Any]] = {
        "": {**sizes, "z_dim": z_dim, "c_dim": num_classes, "_init_kwargs": {**sizes, **given}},
        "synthesis": {**sizes, "_init_kwargs": {**sizes, **synthesis_kwargs}},
        **_mapping_attributes(
            "mapping", tensors, w_avg_beta=0.998 if options.get("flat") else 0.995
        ),
    }
    for side in sides:
        block = f"synthesis.b{side}"
        attributes[block] = {"architecture": architecture, "use_fp16": np.bool_(True).item()}
        for name in ("conv0", "conv1") if side > 4 else ("conv1",):
            attributes[f"{block}.{name}"] = dict(layer)
        if f"{block}.torgb.weight" in tensors:
            attributes[f"{block}.torgb"] = {"conv_clamp": options.get("conv_clamp")}
    return pytorch_network(tensors, attributes)


def stylegan2_discriminator(tensors: Tensors, **options: Any) -> _Module:
    """A StyleGAN2 discriminator; options: conv_clamp, architecture, group_size, num_channels."""
    sides = sorted({int(name.split(".")[0][1:]) for name in tensors if name.startswith("b")})
    architecture = options.get("architecture", "resnet")
    layer = {"activation": options.get("activation", "lrelu")}
    layer["conv_clamp"] = options.get("conv_clamp")
    num_classes = (
        tensors["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in tensors else 0
    )
    attributes: dict[str, dict[str, Any]] = {
        "": {
            "c_dim": num_classes,
            "img_resolution": sides[-1],
            "img_channels": tensors[f"b{sides[-1]}.fromrgb.weight"].shape[1],
            "_init_kwargs": {"c_dim": num_classes, "block_kwargs": {}, "epilogue_kwargs": {}},
        },
        "b4": {
            "architecture": architecture,
            "cmap_dim": tensors["b4.out.weight"].shape[0] if num_classes else 0,
        },
        "b4.conv": dict(layer),
    }
    if options.get("num_channels", 1):
        attributes["b4.mbstd"] = {
            "group_size": options.get("group_size", 4),
            "num_channels": options.get("num_channels", 1),
        }
    for side in sides[1:]:
        attributes[f"b{side}"] = {"architecture": architecture}
        attributes |= {f"b{side}.{name}": dict(layer) for name in ("conv0", "conv1")}
    if num_classes:
        attributes |= _mapping_attributes("mapping", tensors, w_avg_beta=None)
    return pytorch_network(tensors, attributes)


def _mapping_attributes(path: str, tensors: Tensors, **own: Any) -> dict[str, dict[str, Any]]:
    layers = {n.split(".")[1] for n in tensors if n.startswith(f"{path}.fc")}
    layer = {"activation": "lrelu", "bias_gain": 0.01, "weight_gain": np.float64(0.01)}
    return {path: own, **{f"{path}.{name}": dict(layer) for name in sorted(layers)}}


def _mapping_sizes(tensors: Tensors) -> tuple[int, int, int]:
    """num_classes, z_dim and w_dim of a generator."""
    features = tensors["mapping.fc0.weight"].shape[1]
    w_dim = tensors["mapping.w_avg"].shape[0]
    if "mapping.embed.weight" not in tensors:
        return 0, features, w_dim
    embed_dim, num_classes = tensors["mapping.embed.weight"].shape
    return num_classes, features - embed_dim, w_dim


def tensorflow_network(
    variables: dict[str, Any],
    function: str,
    kwargs: dict[str, Any],
    components: dict[str, Any] | None = None,
    *,
    version: int = 3,
) -> Any:
    """A Network record; call it inside `official_classes`."""
    network = sys.modules["dnnlib.tflib.network"].Network()
    easy = sys.modules["dnnlib.util"].EasyDict
    network.__dict__.update(
        version=version,
        name=function,
        static_kwargs=easy(kwargs),
        components=easy(components or {}),
        build_module_src="raise SystemExit('this text is never run')",
        build_func_name=function,
        variables=list(variables.items()),
    )
    return network


def write_tensorflow(
    path: Path,
    generators: tuple[dict[str, Any], dict[str, Any]],
    discriminator: dict[str, Any],
    *,
    functions: tuple[str, str],
    generator_kwargs: dict[str, Any],
    discriminator_kwargs: dict[str, Any],
    version: int = 3,
    protocol: int = 4,
) -> Path:
    """Write (G, D, Gs), each given as variables by full name, COMPONENT/VARIABLE for G's parts."""
    with official_classes():
        made = []
        for variables in generators:
            components = {
                part: tensorflow_network(
                    {
                        name.removeprefix(f"{part}/"): value
                        for name, value in variables.items()
                        if name.startswith(f"{part}/")
                    },
                    f"G_{part}",
                    generator_kwargs,
                    version=version,
                )
                for part in ("synthesis", "mapping")
            }
            own = {k: v for k, v in variables.items() if k.split("/")[0] not in components}
            made.append(
                tensorflow_network(own, functions[0], generator_kwargs, components, version=version)
            )
        critic = tensorflow_network(
            discriminator, functions[1], discriminator_kwargs, version=version
        )
        path.write_bytes(pickle.dumps((made[0], critic, made[1]), protocol=protocol))
    return path


def stylegan2_to_tensorflow(tensors: Tensors, *, is_discriminator: bool = False) -> dict[str, Any]:
    """PyTorch tensors of a StyleGAN2 network as the TensorFlow variables they were made from."""
    variables: dict[str, Any] = {"lod": np.float32(0)}
    names = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB", "skip": "Skip"}
    if is_discriminator:
        names = {"conv0": "Conv0", "conv1": "Conv1_down", "fromrgb": "FromRGB", "skip": "Skip"}
        names |= {"conv": "Conv", "fc": "Dense0"}
    for name, tensor in tensors.items():
        parts = name.removeprefix("synthesis.").split(".")
        leaf = parts[-1]
        if leaf == "resample_filter":
            continue
        value = tensor.numpy()
        if parts[0] == "mapping":
            scope = {"w_avg": "dlatent_avg", "embed": "LabelEmbed"}.get(parts[1])
            scope = scope or ("Mapping" if is_discriminator else "Dense") + parts[1][2:]
            if leaf == "w_avg":
                variables[scope] = value
                continue
            prefix = "" if is_discriminator else "mapping/"
            variables[f"{prefix}{scope}/{leaf}"] = value.T if leaf == "weight" else value
            continue
        side = int(parts[0][1:])
        prefix = f"{'' if is_discriminator else 'synthesis/'}{side}x{side}/"
        if leaf == "const":
            variables[f"{prefix}Const/const"] = value[None]
        elif leaf == "noise_const":
            k = side.bit_length() - 1
            index = 0 if k == 2 else 2 * k - 5 + (parts[1] == "conv1")
            variables[f"synthesis/noise{index}"] = value[None, None]
        else:
            layer = names.get(parts[1], "Output")
            layer = "Conv" if side == 4 and parts[1] == "conv1" else layer
            scope = "Output" if parts[1] == "out" else prefix + layer
            if parts[2] == "affine":
                leaf = {"weight": "mod_weight", "bias": "mod_bias"}[leaf]
                value = value.T if leaf == "mod_weight" else value - 1
            elif leaf == "weight" and value.ndim == 4:
                mirrored = not is_discriminator and parts[1] in ("conv0", "skip")
                value = value[:, :, ::-1, ::-1] if mirrored else value
                value = value.transpose(2, 3, 1, 0)
            elif leaf == "weight":
                value = value.T
            variables[f"{scope}/{leaf}"] = np.ascontiguousarray(value)
    return variables


def stylegan1_to_tensorflow(state: Tensors, *, fused_from: int = 128) -> dict[str, Any]:
    """State dict of an AdaIN generator as the official variables.

    Kernels of upsampling layers are mirrored where the official code fuses them: from
    ``fused_from`` pixels on.
    """
    variables: dict[str, Any] = {"lod": np.float32(0), "synthesis/lod": np.float32(0)}
    last = max(int(n.split(".")[2]) for n in state if n.startswith("synthesis.to_rgb."))
    leaves = {"bias": "bias", "noise_strength": "Noise/weight"}
    leaves |= {"style.affine.weight": "StyleMod/weight", "style.affine.bias": "StyleMod/bias"}
    for name, tensor in state.items():
        value = tensor.numpy()
        part, _, rest = name.partition(".")
        if name == "mapping.w_avg":
            variables["dlatent_avg"] = value
        elif name == "mapping.class_rows":
            variables["mapping/LabelConcat/weight"] = value
        elif part == "mapping":
            scope, leaf = rest.split(".")
            variables[f"mapping/Dense{scope[2:]}/{leaf}"] = _tensorflow_layout(value)
        elif rest == "const":
            variables["synthesis/4x4/Const/const"] = value
        elif rest.startswith("to_rgb"):
            _, k, leaf = rest.split(".")
            variables[f"synthesis/ToRGB_lod{last - int(k)}/{leaf}"] = _tensorflow_layout(value)
        else:
            _, index, leaf = rest.split(".", 2)
            k, second = divmod(int(index), 2)
            side = 4 * 2**k
            scopes = ("Const", "Conv") if k == 0 else ("Conv0_up", "Conv1")
            scope = f"synthesis/{side}x{side}/{scopes[second]}"
            if leaf == "noise_const":
                variables[f"synthesis/noise{index}"] = value
            elif leaf == "conv.weight":
                mirrored = scopes[second] == "Conv0_up" and side >= fused_from
                value = value[:, :, ::-1, ::-1] if mirrored else value
                variables[f"{scope}/weight"] = _tensorflow_layout(value)
            else:
                value = _tensorflow_layout(value) if leaf.startswith("style") else value
                variables[f"{scope}/{leaves[leaf]}"] = value
    return variables


def stylegan1_critic_to_tensorflow(state: Tensors) -> dict[str, Any]:
    """State dict of an AdaIN generation's discriminator as the official variables."""
    variables: dict[str, Any] = {"lod": np.float32(0)}
    last = max(int(name.split(".")[1]) for name in state if name.startswith("from_rgb."))
    for name, tensor in state.items():
        scope, _, leaf = name.rpartition(".")
        parts = scope.split(".")
        if parts[0] == "from_rgb":
            target = f"FromRGB_lod{last - int(parts[1])}"
        elif parts[0] == "blocks":
            side = 8 * 2 ** int(parts[1])
            target = f"{side}x{side}/" + {"conv0": "Conv0", "conv1": "Conv1_down"}[parts[2]]
        else:
            target = "4x4/" + parts[0].capitalize()
        variables[f"{target}/{leaf}"] = _tensorflow_layout(tensor.numpy())
    return variables


def _tensorflow_layout(value: Any) -> Any:
    """(O, I, k, k) or (out, in) to (k, k, I, O) or (in, out); biases stay."""
    axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim]
    return np.ascontiguousarray(value.transpose(axes))


def stylegan3_generator(generator: Any, **kwargs: Any) -> _Module:
    """A StyleGAN3 generator; ``kwargs`` are the synthesis arguments that were given."""
    config, synthesis = generator.config, generator.synthesis
    tensors = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    sizes = {"img_resolution": config.resolution, "img_channels": config.image_channels}
    sizes |= {"w_dim": config.w_dim}
    attributes: dict[str, dict[str, Any]] = {
        "": {**sizes, "z_dim": config.z_dim, "c_dim": config.num_classes},
        "synthesis": {
            **sizes,
            "num_layers": config.synthesis.num_layers,
            "num_critical": config.synthesis.num_critical,
            "margin_size": config.synthesis.margin_size,
            "output_scale": config.synthesis.output_scale,
            "_init_kwargs": {**sizes, **kwargs},
        },
        **_mapping_attributes("mapping", tensors, w_avg_beta=0.998),
    }
    for layer, name in zip(synthesis.layers, synthesis.layer_names, strict=True):
        path = f"synthesis.{name}"
        attributes[path] = {
            "in_size": np.array([4, 4]),
            "conv_kernel": layer.weight.shape[2],
            "conv_clamp": layer.clamp,
            "magnitude_ema_beta": layer.magnitude_ema_beta,
            "down_radial": layer.down_filter is not None and layer.down_filter.ndim == 2,
        }
        for leaf in ("up_filter", "down_filter"):
            if getattr(layer, leaf) is not None:
                tensors[f"{path}.{leaf}"] = getattr(layer, leaf)
    return pytorch_network(tensors, attributes)

"""Options of StyleGAN1 and StyleGAN3 come through; hostile structures of official files do not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import official_writer as writer
import pytest
import torch
from official_fixtures import FIXTURES, part, reference

from wspace.errors import WspaceError
from wspace.formats.official.convert import import_official
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)

STYLEGAN1_OPTIONS: list[dict[str, Any]] = [
    {"blur_filter": (1.0, 3.0, 3.0, 1.0)},
    {"blur_filter": (1.0, 2.0, 4.0)},
    {"blur_filter": None},
    {"nonlinearity": "relu", "mapping_nonlinearity": "relu"},
    {"use_pixel_norm": True, "use_instance_norm": False},
    {"normalize_latents": False, "mapping_lrmul": 0.1},
    {"label_size": 4, "num_channels": 1},
    {"mbstd_num_features": 2, "mbstd_group_size": 2},
    {"mbstd_group_size": 1, "mbstd_num_features": 0},
]


@pytest.mark.parametrize("options", STYLEGAN1_OPTIONS, ids=lambda o: "-".join(map(str, o)))
def test_every_stylegan1_option_comes_through(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    classes, activation = options.get("label_size", 0), options.get("nonlinearity", "lrelu")
    blur = options.get("blur_filter", (1.0, 2.0, 1.0))
    shared: dict[str, Any] = {
        "architecture": "adain",
        "resolution": 16,
        "image_channels": options.get("num_channels", 3),
        "num_classes": classes,
    }
    generator = build_generator(
        GeneratorConfig(
            **shared,
            z_dim=6,
            w_dim=5,
            mapping=MappingConfig(
                num_layers=3,
                hidden_dim=7,
                activation=activation,
                lr_multiplier=options.get("mapping_lrmul", 0.01),
                normalize_z=options.get("normalize_latents", True),
            ),
            synthesis=AdaINConfig(
                channels=(8, 6, 4),
                blur_filter=blur,
                activation=activation,
                instance_norm=options.get("use_instance_norm", True),
                pixel_norm=options.get("use_pixel_norm", False),
            ),
        )
    )
    discriminator = build_discriminator(
        DiscriminatorConfig(
            **shared,
            channels=(8, 6, 4),
            hidden_dim=10,
            resample_filter=blur,
            activation=activation,
            mbstd_group_size=options.get("mbstd_group_size", 4),
            mbstd_num_channels=options.get("mbstd_num_features", 1),
        )
    )
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        torch.nn.init.normal_(parameter)
    given = {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
    ours = ("nonlinearity", "blur_filter", "label_size", "num_channels")
    variables = writer.stylegan1_to_tensorflow(generator.state_dict())
    path = writer.write_tensorflow(
        tmp_path / "file.pkl",
        (variables, variables),
        writer.stylegan1_critic_to_tensorflow(discriminator.state_dict()),
        functions=("G_style", "D_basic"),
        generator_kwargs={k: v for k, v in given.items() if not k.startswith("mbstd")},
        discriminator_kwargs={k: v for k, v in given.items() if k in ours or k.startswith("mbstd")},
        version=2,
    )
    model = import_official(path, with_discriminator=True)
    z = torch.randn(4, 6)
    c = torch.eye(4) if classes else None
    images = generator.eval()(z, c)
    torch.testing.assert_close(model.generator(z, c), images)
    assert model.discriminator is not None
    torch.testing.assert_close(model.discriminator(images, c), discriminator(images, c))
    assert model.generator.config == generator.config


STYLEGAN3_OPTIONS: list[dict[str, Any]] = [
    {},
    {"conv_kernel": 1, "use_radial_filters": True},
    {"num_layers": 6, "num_critical": 1, "margin_size": 4},
    {"filter_size": 4, "lrelu_upsampling": 4},
    {"first_cutoff": 1.5, "first_stopband": 4.0, "last_stopband_rel": 1.4},
    {"conv_clamp": None, "output_scale": 0.5},
]


@pytest.mark.parametrize("options", STYLEGAN3_OPTIONS, ids=lambda o: "-".join(map(str, o)))
def test_every_stylegan3_option_comes_through(options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=16,
            image_channels=1,
            z_dim=6,
            w_dim=5,
            num_classes=3,
            mapping=MappingConfig(
                num_layers=2,
                weight_gain=1.0,
                activation_gain=2**0.5,
                class_input="embed",
                w_avg_beta=0.998,
            ),
            synthesis=AliasFreeConfig(channel_base=128, channel_max=8, **options),
        )
    ).eval()
    record = writer.stylegan3_generator(generator, channel_base=128, channel_max=8, **options)
    path = writer.write_pytorch(tmp_path / "file.pkl", G_ema=record)
    imported = import_official(path).generator
    assert imported.config.synthesis == generator.config.synthesis
    z, c = torch.randn(2, 6), torch.eye(3)[:2]
    torch.testing.assert_close(imported(z, c), generator(z, c))


def test_a_fourth_channel_is_not_guessed_at(tmp_path: Path) -> None:
    mapping = MappingConfig(
        num_layers=2, weight_gain=1.0, activation_gain=2**0.5, class_input="embed"
    )
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=16,
            image_channels=4,
            z_dim=4,
            w_dim=4,
            mapping=mapping,
            synthesis=AliasFreeConfig(channel_base=128, channel_max=8),
        )
    )
    record = writer.stylegan3_generator(generator, channel_base=128, channel_max=8)
    path = writer.write_pytorch(tmp_path / "file.pkl", G_ema=record)
    with pytest.raises(WspaceError, match=r"4 channels, which no official training makes.*alpha"):
        import_official(path)


def test_filters_that_the_arguments_do_not_make_are_refused(tmp_path: Path) -> None:
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=16,
            z_dim=4,
            w_dim=4,
            mapping=MappingConfig(num_layers=1, class_input="embed"),
            synthesis=AliasFreeConfig(channel_base=64, channel_max=4, first_cutoff=1.9),
        )
    )
    record = writer.stylegan3_generator(generator, channel_base=64, channel_max=4)
    path = writer.write_pytorch(tmp_path / "file.pkl", G_ema=record)
    with pytest.raises(WspaceError, match=r"up_filter is not the filter|down_filter is not"):
        import_official(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"filter_size": 100_000}, "filter_size=100000|no filters can be made"),
        ({"first_cutoff": 0}, "first_cutoff=0|no filters can be made"),
        ({"lrelu_upsampling": 8, "filter_size": 60}, "filter that its options ask for|up_filter"),
        ({"first_stopband": float("nan")}, "first_stopband"),
        ({"channel_base": -1}, "channel_base=-1"),
        ({"channel_max": 1 << 40}, "channel_max"),
        ({"window": "hann"}, "'window'"),
    ],
)
def test_absurd_stylegan3_arguments_are_refused(
    arguments: dict[str, Any], said: str, tmp_path: Path
) -> None:
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=16,
            z_dim=4,
            w_dim=4,
            mapping=MappingConfig(num_layers=1, class_input="embed"),
            synthesis=AliasFreeConfig(channel_base=64, channel_max=4),
        )
    )
    given = {"channel_base": 64, "channel_max": 4} | arguments
    path = writer.write_pytorch(
        tmp_path / "file.pkl", G_ema=writer.stylegan3_generator(generator, **given)
    )
    with pytest.raises(WspaceError, match=said):
        import_official(path)


def write_modules(path: Path, module: Any) -> Path:
    with writer.official_classes():
        path.write_bytes(pickle.dumps({"G_ema": module}))
    return path


def test_a_network_that_contains_itself_is_refused(tmp_path: Path) -> None:
    module = writer.pytorch_network({"synthesis.b4.const": torch.zeros(1)}, {})
    children = module.meta["state"]["_modules"]
    children["again"] = children  # the children's dictionary is no module
    with pytest.raises(WspaceError, match="is no part of a network"):
        import_official(write_modules(tmp_path / "loop.pkl", module))


def test_more_modules_than_any_network_has_are_refused(tmp_path: Path) -> None:
    leaf = writer.pytorch_network({"weight": torch.zeros(1)}, {})
    module = writer.pytorch_network({"synthesis.b4.const": torch.zeros(1)}, {})
    module.meta["state"]["_modules"] |= {f"part{i}": leaf for i in range(3000)}
    with pytest.raises(WspaceError, match="more parts"):
        import_official(write_modules(tmp_path / "wide.pkl", module))


def test_shared_modules_do_not_multiply(tmp_path: Path) -> None:
    """Twenty levels of two references each are a million paths."""
    module = writer.pytorch_network({"weight": torch.zeros(1)}, {})
    for _ in range(20):
        parent = writer.pytorch_network({"weight": torch.zeros(1)}, {})
        parent.meta["state"]["_modules"] |= {"a": module, "b": module}
        module = parent
    with pytest.raises(WspaceError, match=r"more parts|no part of a network"):
        import_official(write_modules(tmp_path / "deep.pkl", module))


@pytest.mark.parametrize(
    ("path", "name", "value", "said"),
    [
        ("", "z_dim", "many", "z_dim='many'"),
        ("", "c_dim", -3, "c_dim=-3"),
        ("synthesis", "img_resolution", 48, "no power of two"),
        ("synthesis", "img_resolution", 1 << 30, "img_resolution"),
        ("synthesis.b8", "architecture", "dense", "differ in architecture"),
        ("synthesis.b32.conv1", "activation", "mish", "differ in activation"),
        ("synthesis.b4.conv1", "conv_clamp", "x" * 5000, "conv_clamp"),
        ("mapping.fc0", "bias_gain", 0.5, "differ in bias_gain"),
        ("mapping.fc3", "bias_gain", [1], "differ in bias_gain"),
    ],
)
def test_attributes_out_of_range_are_refused_by_name(
    path: str, name: str, value: Any, said: str, tmp_path: Path
) -> None:
    _, tensors = reference("sg2ada-tiny")
    module = writer.stylegan2_generator(part(tensors, "G_ema/"), conv_clamp=256)
    state = module.meta["state"]
    for step in path.split(".") if path else []:
        state = state["_modules"][step].meta["state"]
    state[name] = value
    with pytest.raises(WspaceError, match=said) as caught:
        import_official(write_modules(tmp_path / "odd.pkl", module))
    assert len(str(caught.value)) < 600


def test_a_tensor_without_a_place_is_refused(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    state = {**part(tensors, "G_ema/"), "synthesis.b8.attention": torch.zeros(3)}
    module = writer.stylegan2_generator(state, conv_clamp=256)
    with pytest.raises(WspaceError, match=r"'synthesis.b8.attention'"):
        import_official(write_modules(tmp_path / "extra.pkl", module))


def test_variables_without_names_or_values_are_refused(tmp_path: Path) -> None:
    for variables, said in (
        ([("w",)], "without a name"),
        ([(3, np.zeros(3))], "without a name"),
        ([("w", "text")], "is no tensor"),
        (None, "no variables"),
    ):
        path = tmp_path / "odd.pkl"
        with writer.official_classes():
            network = writer.tensorflow_network({}, "G_style", {})
            network.variables = variables
            path.write_bytes(pickle.dumps(network))
        with pytest.raises(WspaceError, match=said):
            import_official(path)


def test_plain_pictures_need_no_discriminator_that_wspace_can_read(tmp_path: Path) -> None:
    """A broken D does no harm to who only wants to sample."""
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_generator(part(tensors, "G_ema/"), conv_clamp=256)
    odd = writer.pytorch_network({"attention.weight": torch.zeros(3)}, {})
    path = writer.write_pytorch(tmp_path / "file.pkl", G_ema=generator, D=odd)
    theirs = import_official(FIXTURES / "sg2ada-tiny.pkl").generator
    ours = import_official(path).generator
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    with pytest.raises(WspaceError, match="neither a StyleGAN2 nor a StyleGAN3"):
        import_official(path, with_discriminator=True)

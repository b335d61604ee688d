"""StyleGAN2 in all its forms: two PyTorch repositories, TensorFlow, classes, filters, blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import official_writer as writer
import pytest
import torch
from official_fixtures import FIXTURES, assert_image, assert_scores, part, reference
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.official.convert import import_official
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)

MAPPING = MappingConfig(
    num_layers=2, weight_gain=1.0, activation_gain=2**0.5, class_input="embed", w_avg_beta=0.998
)


@pytest.mark.parametrize("name", ["sg2ada-tiny", "sg2ada-tiny-cond", "sg2ada-tiny-orig"])
@pytest.mark.parametrize("flat", [False, True], ids=["ada", "stylegan3-repository"])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_pytorch_pickle_gives_the_official_pictures_and_scores(
    name: str, flat: bool, protocol: int, tmp_path: Path
) -> None:
    facts, tensors = reference(name)
    kwargs = facts["G_kwargs"]["synthesis_kwargs"]
    options = {k: kwargs[k] for k in ("conv_clamp", "architecture") if k in kwargs}
    generator = writer.stylegan2_generator(part(tensors, "G_ema/"), flat=flat, **options)
    critic = {"architecture": facts["D_kwargs"].get("architecture", "resnet")}
    critic["conv_clamp"] = facts["D_kwargs"]["conv_clamp"]
    discriminator = writer.stylegan2_discriminator(part(tensors, "D/"), **critic)
    path = writer.write_pytorch(
        tmp_path / "file.pkl", protocol, G=generator, D=discriminator, G_ema=generator
    )
    model = import_official(path, with_discriminator=True)
    z, c = tensors["in/z"], tensors.get("in/c")
    assert_image(model.generator(z, c), tensors["out/images_const"])
    assert_image(model.generator(z, c, noise="none"), tensors["out/images_none"])
    ws = model.generator.mapping(z, c, psi=0.6, cutoff=4)
    torch.testing.assert_close(ws, tensors["out/ws_psi0.6_cut4"], atol=1e-5, rtol=1e-5)
    assert_scores(model, tensors, "out/D_logits")
    assert model.generator.config.mapping.w_avg_beta == (0.998 if flat else 0.995)


def test_the_writer_of_these_tests_says_what_an_official_pickle_says(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_generator(part(tensors, "G_ema/"), conv_clamp=256)
    discriminator = writer.stylegan2_discriminator(part(tensors, "D/"), conv_clamp=256)
    path = writer.write_pytorch(tmp_path / "ours.pkl", D=discriminator, G_ema=generator)
    ours = import_official(path, with_discriminator=True)
    theirs = import_official(FIXTURES / "sg2ada-tiny.pkl", with_discriminator=True)
    assert ours.generator.config == theirs.generator.config
    assert ours.discriminator is not None
    assert theirs.discriminator is not None
    assert ours.discriminator.config == theirs.discriminator.config


def write_stylegan2_tf(path: Path, name: str, *, drop: str = "", **changes: Any) -> Path:
    """A fixture as a TensorFlow pickle, by the table of FIDELITY 7.2 read backwards."""
    facts, tensors = reference(name)
    synthesis, critic = facts["G_kwargs"]["synthesis_kwargs"], facts["D_kwargs"]
    generator = writer.stylegan2_to_tensorflow(part(tensors, "G_ema/"))
    discriminator = writer.stylegan2_to_tensorflow(part(tensors, "D/"), is_discriminator=True)
    generator.pop(drop, None)
    shared = {"resolution": facts["G_kwargs"]["img_resolution"], "num_channels": 3}
    shared |= {"label_size": facts["G_kwargs"]["c_dim"]}
    return writer.write_tensorflow(
        path,
        (generator, generator),
        discriminator,
        functions=("G_main", "D_main"),
        generator_kwargs={
            **shared,
            "mapping_layers": facts["G_kwargs"]["mapping_kwargs"]["num_layers"],
            "conv_clamp": synthesis["conv_clamp"],
            "architecture": synthesis.get("architecture", "skip"),
            "fmap_base": synthesis["channel_base"] // 2,
            "truncation_psi": 0.5,
            **changes,
        },
        discriminator_kwargs={
            **shared,
            "conv_clamp": critic["conv_clamp"],
            "architecture": critic.get("architecture", "resnet"),
            "mapping_layers": 8,
            "mapping_lrmul": 0.01,
            "mbstd_group_size": 4,
        },
        version=5,
    )


@pytest.mark.parametrize("name", ["sg2ada-tiny", "sg2ada-tiny-cond", "sg2ada-tiny-orig"])
def test_a_tensorflow_pickle_gives_the_official_pictures_and_scores(
    name: str, tmp_path: Path
) -> None:
    _, tensors = reference(name)
    path = write_stylegan2_tf(tmp_path / "tf.pkl", name)
    model = import_official(path, with_discriminator=True)
    assert model.generation == 2
    z, c = tensors["in/z"], tensors.get("in/c")
    assert_image(model.generator(z, c), tensors["out/images_const"])
    assert_scores(model, tensors, "out/D_logits")


def test_the_two_releases_have_their_own_default_groups(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_to_tensorflow(part(tensors, "G_ema/"))
    critic = writer.stylegan2_to_tensorflow(part(tensors, "D/"), is_discriminator=True)
    for function, group_size in (("D_stylegan2", 4), ("D_main", None)):
        path = writer.write_tensorflow(
            tmp_path / "tf.pkl",
            (generator, generator),
            critic,
            functions=("G_main", function),
            generator_kwargs={},
            discriminator_kwargs={},
            version=4,
        )
        discriminator = import_official(path, with_discriminator=True).discriminator
        assert discriminator is not None
        assert discriminator.config.mbstd_group_size == group_size


def test_stylegan2s_first_release_takes_the_output_of_the_class(tmp_path: Path) -> None:
    """It has one output a class and no embedding: score = outputs · one-hot class."""
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_to_tensorflow(part(tensors, "G_ema/"))
    critic = writer.stylegan2_to_tensorflow(part(tensors, "D/"), is_discriminator=True)
    seeded = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(32, 5, generator=seeded), torch.randn(5, generator=seeded)
    scores = {}
    for label_size in (0, 5):
        if label_size:
            critic |= {"Output/weight": weight.numpy(), "Output/bias": bias.numpy()}
        path = writer.write_tensorflow(
            tmp_path / "tf.pkl",
            (generator, generator),
            critic,
            functions=("G_main", "D_stylegan2"),
            generator_kwargs={},
            discriminator_kwargs={"label_size": label_size},
            version=4,
        )
        model = import_official(path, with_discriminator=True)
        assert model.discriminator is not None
        hidden: list[Tensor] = []
        model.discriminator.b4.out.register_forward_pre_hook(
            lambda module, inputs, found=hidden: found.append(inputs[0])
        )
        c = torch.eye(5)[[0, 1, 2, 3, 4, 0, 1, 2]] if label_size else None
        scores[label_size] = model.discriminator(tensors["in/images"], c)
    expected = (hidden[0] @ (weight / 32**0.5) + bias)[torch.arange(8), torch.arange(8) % 5]
    torch.testing.assert_close(scores[5], expected, atol=1e-5, rtol=1e-5)


def test_labels_may_also_be_joined_to_the_latents(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_to_tensorflow(part(tensors, "G_ema/"))
    generator["mapping/LabelConcat/weight"] = np.ones((3, 64), np.float32)
    generator["mapping/Dense0/weight"] = np.ones((128, 64), np.float32)
    path = writer.write_tensorflow(
        tmp_path / "tf.pkl",
        (generator, generator),
        {"Output/weight": np.zeros((1, 1), np.float32)},
        functions=("G_main", "D_stylegan2"),
        generator_kwargs={"label_size": 3},
        discriminator_kwargs={},
        version=4,
    )
    imported = import_official(path).generator
    assert (imported.num_classes, imported.z_dim) == (3, 64)
    assert imported.config.mapping.class_input == "concat"
    assert imported(torch.randn(1, 64), torch.eye(3)[:1]).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"attention": 2}, "'attention'"),
        ({"resample_kernel": [1, -1]}, "resample_kernel"),
        ({"nonlinearity": "mish"}, "mish"),
        ({"conv_clamp": "tight"}, "conv_clamp='tight'"),
        ({"resolution": 128}, "resolution=128"),
    ],
)
def test_tensorflow_arguments_that_wspace_cannot_do_are_refused_by_name(
    arguments: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = write_stylegan2_tf(tmp_path / "tf.pkl", "sg2ada-tiny", **arguments)
    with pytest.raises(WspaceError, match=said):
        import_official(path)


@pytest.mark.parametrize("missing", ["synthesis/noise3", "synthesis/8x8/ToRGB/mod_weight"])
def test_a_missing_tensorflow_variable_is_named(missing: str, tmp_path: Path) -> None:
    path = write_stylegan2_tf(tmp_path / "tf.pkl", "sg2ada-tiny", drop=missing)
    with pytest.raises(WspaceError, match=missing):
        import_official(path)


OPTIONS = [
    {"architecture": "resnet"},
    {"architecture": "skip", "activation": "swish"},
    {"architecture": "orig", "resample_filter": (1.0, 2.0, 1.0), "conv_clamp": 2.0},
    {"architecture": "skip", "resample_filter": (1.0, 2.0, 4.0, 1.0)},
    {"architecture": "resnet", "resample_filter": (1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0)},
    {"architecture": "skip", "resample_filter": (1.0,)},
    {"architecture": "skip", "use_noise": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("form", ["pytorch", "tensorflow"])
def test_every_option_comes_through_both_kinds_of_pickle(
    options: dict[str, Any], form: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    generator = build_generator(
        GeneratorConfig(
            architecture="demodulated",
            resolution=16,
            image_channels=1,
            z_dim=6,
            w_dim=5,
            num_classes=3,
            mapping=MAPPING,
            synthesis=DemodulatedConfig(channels=(8, 6, 4), **options),
        )
    ).eval()
    critic_options = {"resample_filter": (1.0, 3.0, 3.0, 1.0), **options}
    critic_options = {
        k: v for k, v in critic_options.items() if k not in ("architecture", "use_noise")
    }
    discriminator = build_discriminator(
        DiscriminatorConfig(
            architecture="demodulated",
            resolution=16,
            image_channels=1,
            num_classes=3,
            channels=(8, 6, 4),
            block_architecture=options["architecture"],
            mapping=MAPPING,
            class_dim=7,
            mbstd_group_size=2,
            mbstd_num_channels=2,
            **critic_options,
        )
    ).eval()
    path = _write(tmp_path / "file.pkl", form, generator, discriminator, options)
    model = import_official(path, with_discriminator=True)
    z, c = torch.randn(4, 6), torch.eye(3)[[0, 1, 2, 0]]
    images = generator(z, c)
    torch.testing.assert_close(model.generator(z, c), images)
    assert model.discriminator is not None
    torch.testing.assert_close(model.discriminator(images, c), discriminator(images, c))


def _write(path: Path, form: str, generator: Any, discriminator: Any, options: Any) -> Path:
    """The two networks as an official file with the same options."""
    taps = options.get("resample_filter", (1.0, 3.0, 3.0, 1.0))
    tensors = {k: v.clone() for k, v in generator.state_dict().items()}
    critic = {k: v.clone() for k, v in discriminator.state_dict().items()}
    if form == "pytorch":
        kernel = torch.tensor(taps) / sum(taps)
        kernel = torch.outer(kernel, kernel) if len(taps) < 8 else kernel
        tensors |= {f"synthesis.b{side}.resample_filter": kernel for side in (4, 8, 16)}
        critic |= {f"b{side}.resample_filter": kernel for side in (8, 16)}
        shared = {k: v for k, v in options.items() if k != "resample_filter"}
        return writer.write_pytorch(
            path,
            G_ema=writer.stylegan2_generator(tensors, **shared),
            D=writer.stylegan2_discriminator(critic, group_size=2, num_channels=2, **shared),
        )
    shared = {"resample_kernel": list(taps), "conv_clamp": options.get("conv_clamp")}
    shared |= {"nonlinearity": options.get("activation", "lrelu"), "label_size": 3}
    variables = writer.stylegan2_to_tensorflow(tensors)
    mapping = {"mapping_lrmul": 0.01}
    return writer.write_tensorflow(
        path,
        (variables, variables),
        writer.stylegan2_to_tensorflow(critic, is_discriminator=True),
        functions=("G_main", "D_main"),
        generator_kwargs={**shared, "use_noise": options.get("use_noise", True)},
        discriminator_kwargs={**shared, **mapping, "mbstd_group_size": 2, "mbstd_num_features": 2},
        version=5,
    )


def test_an_unknown_argument_of_a_pytorch_network_is_refused_by_name(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_generator(
        part(tensors, "G_ema/"), conv_clamp=256, kwargs={"attention_res": 16}
    )
    path = writer.write_pytorch(tmp_path / "odd.pkl", G_ema=generator)
    with pytest.raises(WspaceError, match="'attention_res'"):
        import_official(path)


def test_a_filter_that_is_no_product_of_two_rows_is_refused(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    state = part(tensors, "G_ema/")
    state["synthesis.b32.resample_filter"] = torch.tensor([[0.0, 0.5], [0.25, 0.25]])
    path = writer.write_pytorch(
        tmp_path / "odd.pkl", G_ema=writer.stylegan2_generator(state, conv_clamp=256)
    )
    with pytest.raises(WspaceError, match="one row of taps"):
        import_official(path)


def test_half_precision_tensors_come_in_as_float32(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    state = {k: v.half() for k, v in part(tensors, "G_ema/").items()}
    path = writer.write_pytorch(
        tmp_path / "half.pkl", G_ema=writer.stylegan2_generator(state, conv_clamp=256)
    )
    generator = import_official(path).generator
    assert {tensor.dtype for tensor in generator.state_dict().values()} == {torch.float32}
    error = (generator(tensors["in/z"]) - tensors["out/images_const"]).abs().max()
    assert error < 0.1

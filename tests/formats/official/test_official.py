"""Official files come in as networks that compute the official numbers."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import official_writer as writer
import pytest
import torch
from official_fixtures import FIXTURES, assert_image, assert_scores, part, reference

from wspace.errors import WspaceError
from wspace.formats.official.convert import import_official
from wspace.formats.official.file import read_official

PICKLES = {
    # file: generation, images of G_ema, of G, scores, error relative to the deviation
    "stylegan1-tiny": (1, "out/images_psi1", "out/G_images_psi1", "out/D_scores", 1e-4),
    "sg2ada-tiny": (2, "out/images_const", "out/G_images_const", "out/D_logits", 1e-4),
    "sg3-t-tiny": (3, "out/images", "out/G_images", "out/D_logits", 1e-3),
}


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("network", ["G_ema", "G"])
def test_an_official_pickle_gives_the_official_pictures_and_scores(name: str, network: Any) -> None:
    generation, ema_images, images, scores, relative = PICKLES[name]
    _, tensors = reference(name)
    model = import_official(FIXTURES / f"{name}.pkl", network=network, with_discriminator=True)
    assert model.generation == generation
    theirs = tensors[ema_images if network == "G_ema" else images]
    ours = model.generator(tensors["in/z"][: len(theirs)])
    assert_image(ours, theirs, relative=relative)
    other = tensors[images if network == "G_ema" else ema_images][:2]
    assert (ours[:2] - other).abs().max() > 0.1  # G and G_ema are not mixed up
    assert_scores(model, tensors, scores)


def test_the_discriminator_comes_only_when_asked_for() -> None:
    assert import_official(FIXTURES / "stylegan1-tiny.pkl").discriminator is None


def test_what_a_model_was_imported_from_is_told() -> None:
    assert import_official(FIXTURES / "sg2ada-tiny.pkl", network="G").metadata == {
        "imported_from": "sg2ada-tiny.pkl",
        "imported_network": "G",
        "generation": "StyleGAN2",
        "licence": "that of the imported file",
    }


def write_stylegan1(
    path: Path, name: str, *, extra: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """A StyleGAN1 fixture that has no pickle, as one; ``extra`` changes arguments."""
    facts, tensors = reference(name)
    variables = {
        k.replace("G_synthesis/", "synthesis/").replace("G_mapping/", "mapping/"): v.numpy()
        for k, v in part(tensors, "Gs/").items()
    } | changes
    variables = {k: v for k, v in variables.items() if v is not None}
    kwargs = {k: v for k, v in facts["Gs_kwargs"].items() if k != "func"} | (extra or {})
    critic_kwargs = {k: v for k, v in facts["D_kwargs"].items() if k != "func"}
    return writer.write_tensorflow(
        path,
        (variables, variables),
        {k: v.numpy() for k, v in part(tensors, "D/").items()},
        functions=("G_style", "D_basic"),
        generator_kwargs=kwargs,
        discriminator_kwargs=critic_kwargs,
    )


def test_the_kernels_of_fused_upsampling_are_mirrored(tmp_path: Path) -> None:
    path = write_stylegan1(tmp_path / "fused.pkl", "stylegan1-fused")
    _, tensors = reference("stylegan1-fused")
    model = import_official(path, with_discriminator=True)
    assert_image(model.generator(tensors["in/z"]), tensors["out/images_psi1"])
    assert_image(
        model.generator.synthesis(tensors["in/dlatents_mixed"]), tensors["out/images_mixed"]
    )
    assert_scores(model, tensors, "out/D_scores")


def test_auto_fuses_from_128_pixels_on(tmp_path: Path) -> None:
    plain = import_official(
        write_stylegan1(tmp_path / "a.pkl", "stylegan1-tiny", extra={"fused_scale": False})
    ).generator.state_dict()
    auto = import_official(write_stylegan1(tmp_path / "b.pkl", "stylegan1-tiny")).generator
    assert all(torch.equal(plain[name], tensor) for name, tensor in auto.state_dict().items())
    fused = import_official(
        write_stylegan1(tmp_path / "c.pkl", "stylegan1-tiny", extra={"fused_scale": True})
    ).generator.state_dict()
    changed = {name for name in plain if not torch.equal(plain[name], fused[name])}
    assert changed == {f"synthesis.layers.{i}.conv.weight" for i in (2, 4, 6)}
    kernel = "synthesis.layers.2.conv.weight"
    assert torch.equal(plain[kernel].flip(2, 3), fused[kernel])


def test_a_network_without_equalised_rates_computes_with_its_weights_as_they_are(
    tmp_path: Path,
) -> None:
    """``use_wscale=False`` stores what others compute: gain / √fan-in times the weight."""
    _, tensors = reference("stylegan1-tiny")
    stored = {}
    for name, tensor in part(tensors, "Gs/").items():
        name = name.replace("G_synthesis/", "synthesis/").replace("G_mapping/", "mapping/")
        if name.endswith("/weight") and "Noise" not in name:
            gain = 1.0 if "StyleMod" in name or "ToRGB" in name else 2**0.5
            stored[name] = (tensor * gain / (tensor[..., 0].numel()) ** 0.5).numpy()
    path = write_stylegan1(
        tmp_path / "plain.pkl", "stylegan1-tiny", extra={"use_wscale": False}, **stored
    )
    assert_image(import_official(path).generator(tensors["in/z"]), tensors["out/images_psi1"])


def test_a_network_without_noise_inputs_is_one_with_strength_zero(tmp_path: Path) -> None:
    _, tensors = reference("stylegan1-tiny")
    names = [k.removeprefix("Gs/G_") for k in tensors if "oise" in k and k.startswith("Gs/")]
    path = write_stylegan1(
        tmp_path / "quiet.pkl",
        "stylegan1-tiny",
        extra={"use_noise": False},
        **dict.fromkeys(names),
    )
    quiet = import_official(path).generator
    noisy = import_official(FIXTURES / "stylegan1-tiny.pkl").generator
    ws = tensors["in/dlatents_mixed"]
    torch.testing.assert_close(quiet.synthesis(ws), noisy.synthesis(ws, noise="none"))


def test_a_network_without_styles_is_one_whose_styles_change_nothing(tmp_path: Path) -> None:
    _, tensors = reference("stylegan1-tiny")
    names = [k.removeprefix("Gs/G_") for k in tensors if "StyleMod" in k]
    path = write_stylegan1(
        tmp_path / "same.pkl", "stylegan1-tiny", extra={"use_styles": False}, **dict.fromkeys(names)
    )
    synthesis = import_official(path).generator.synthesis
    assert torch.equal(synthesis(torch.zeros(1, 8, 64)), synthesis(torch.randn(1, 8, 64)))
    deviation = synthesis.layers[7](torch.randn(1, 16, 32, 32), torch.randn(1, 64), None).std()
    torch.testing.assert_close(deviation, torch.tensor(1.0), atol=1e-3, rtol=0)


def test_stylegan1_labels_join_the_latents(tmp_path: Path) -> None:
    """The label's row is concatenated to z, and the pair is normalised together (FIDELITY 4.3)."""
    _, tensors = reference("stylegan1-tiny")
    rows = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    first = torch.randn(128, 64, generator=torch.Generator().manual_seed(1)) * 100
    path = write_stylegan1(
        tmp_path / "classes.pkl",
        "stylegan1-tiny",
        extra={"label_size": 5},
        **{"mapping/LabelConcat/weight": rows.numpy(), "mapping/Dense0/weight": first.numpy()},
    )
    generator = import_official(path).generator
    assert (generator.num_classes, generator.z_dim) == (5, 64)
    z, c = tensors["in/z"], torch.eye(5)[:4]
    x = torch.cat([z, c @ rows], dim=1)
    x = x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for i in range(8):
        weight = first if i == 0 else tensors[f"Gs/G_mapping/Dense{i}/weight"]
        x = x @ weight * (2**0.5 / weight.shape[0] ** 0.5 * 0.01)
        x = torch.nn.functional.leaky_relu(x + tensors[f"Gs/G_mapping/Dense{i}/bias"] * 0.01, 0.2)
    torch.testing.assert_close(generator.mapping(z, c)[:, 0], x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"const_input_layer": False}, "const_input_layer=False"),
        ({"attention": True}, "'attention'"),
        ({"blur_filter": [1, -1]}, "blur_filter"),
        ({"blur_filter": "wide"}, "blur_filter='wide'"),
        ({"nonlinearity": "mish"}, "mish"),
        ({"mapping_lrmul": "fast"}, "mapping_lrmul='fast'"),
        ({"resolution": 64}, "resolution=64"),
        ({"fused_scale": "maybe"}, "fused_scale='maybe'"),
    ],
)
def test_an_argument_that_wspace_cannot_do_is_refused_by_name(
    arguments: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = write_stylegan1(tmp_path / "odd.pkl", "stylegan1-tiny", extra=arguments)
    with pytest.raises(WspaceError, match=said):
        import_official(path)


def test_a_network_that_still_grows_is_refused_unless_it_ignores_that(tmp_path: Path) -> None:
    growing = {"lod": np.float32(1.5), "synthesis/lod": np.float32(1.5)}
    path = write_stylegan1(tmp_path / "growing.pkl", "stylegan1-tiny", **growing)
    with pytest.raises(WspaceError, match=r"still growing \(lod=1.5"):
        import_official(path)
    lower = {
        f"synthesis/ToRGB_lod{j}/{leaf}": None for j in (1, 2, 3) for leaf in ("weight", "bias")
    }
    path = write_stylegan1(
        tmp_path / "fixed.pkl", "stylegan1-tiny", extra={"structure": "fixed"}, **growing, **lower
    )
    _, tensors = reference("stylegan1-tiny")
    assert_image(import_official(path).generator(tensors["in/z"]), tensors["out/images_psi1"])


@pytest.mark.parametrize("missing", ["dlatent_avg", "synthesis/16x16/Conv1/StyleMod/bias"])
def test_a_missing_variable_is_named(missing: str, tmp_path: Path) -> None:
    path = write_stylegan1(tmp_path / "holes.pkl", "stylegan1-tiny", **{missing: None})
    with pytest.raises(WspaceError, match=missing):
        import_official(path)


def test_a_variable_of_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    wrong = {"synthesis/8x8/Conv1/bias": np.zeros(7, np.float32)}
    path = write_stylegan1(tmp_path / "wrong.pkl", "stylegan1-tiny", **wrong)
    with pytest.raises(WspaceError, match=r"shape"):
        import_official(path)
    wrong = {"dlatent_avg": np.float32(0)}
    path = write_stylegan1(tmp_path / "wrong.pkl", "stylegan1-tiny", **wrong)
    with pytest.raises(WspaceError, match="dlatent_avg has 0 axes"):
        import_official(path)


def test_many_names_for_the_same_bytes_do_not_multiply_memory(tmp_path: Path) -> None:
    big = np.zeros(1_000_000, np.float32)
    path = write_stylegan1(
        tmp_path / "greedy.pkl", "stylegan1-tiny", **{f"synthesis/x{i}": big for i in range(300)}
    )
    with pytest.raises(WspaceError, match="declares"):
        import_official(path)


def test_a_lone_network_is_the_one_to_sample_from(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    alone = writer.stylegan2_generator(part(tensors, "G_ema/"), conv_clamp=256)
    path = tmp_path / "alone.pkl"
    with writer.official_classes():
        path.write_bytes(pickle.dumps(alone))
    assert_image(import_official(path).generator(tensors["in/z"]), tensors["out/images_const"])
    with pytest.raises(WspaceError, match="holds no G, only G_ema"):
        import_official(path, network="G")
    with pytest.raises(WspaceError, match="holds no D, only G_ema"):
        import_official(path, with_discriminator=True)


@pytest.mark.parametrize("content", [{}, {"G_ema": None}, [1, 2, 3], "text", {"a": 1}])
def test_a_pickle_of_something_else_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(WspaceError, match="official network pickle"):
        read_official(path)


def test_another_tensorflow_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metric.pkl"
    with writer.official_classes():
        network = writer.tensorflow_network({"conv/w": np.zeros((3, 3))}, "vgg", {})
        assert type(network).__module__ in sys.modules
        path.write_bytes(pickle.dumps(network))
    with pytest.raises(WspaceError, match="neither a StyleGAN nor a StyleGAN2"):
        import_official(path)


def test_generators_and_discriminators_are_not_taken_for_each_other(tmp_path: Path) -> None:
    _, tensors = reference("sg2ada-tiny")
    generator = writer.stylegan2_generator(part(tensors, "G_ema/"), conv_clamp=256)
    critic = writer.stylegan2_discriminator(part(tensors, "D/"), conv_clamp=256)
    path = writer.write_pytorch(tmp_path / "swapped.pkl", G=generator, D=generator, G_ema=critic)
    with pytest.raises(WspaceError, match="no generator"):
        import_official(path)
    with pytest.raises(WspaceError, match="no discriminator"):
        import_official(path, network="G", with_discriminator=True)

from typing import Any

import pytest

from wspace.errors import WspaceError
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig
from wspace.networks.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_plain_data(name: str) -> None:
    generator, discriminator = preset(name, resolution=64, num_classes=3)
    assert GeneratorConfig.from_dict(generator.to_dict()) == generator
    assert DiscriminatorConfig.from_dict(discriminator.to_dict()) == discriminator


def changed(data: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parts, last = path.split(".")
    inner = data
    for part in parts:
        inner = inner[part]
    inner[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("architecture", ["adain"]),
        ("architecture", "x" * 5000),
        ("resolution", 65),
        ("resolution", 2**20),
        ("z_dim", 0),
        ("w_dim", 2**20),
        ("image_channels", 0),
        ("mapping.num_layers", 2**16),  # would take minutes to build
        ("mapping.num_layers", -1),
        ("mapping.hidden_dim", 0),
        ("synthesis.channels", [4]),
        ("synthesis.channels", [0, 0, 0, 0, 0]),
        ("synthesis.channels", [1] * 500),
        ("synthesis.channels", ["x" * 5000]),
        ("unknown", 1),
    ],
)
def test_a_damaged_field_is_named_in_one_line(path: str, value: Any) -> None:
    data = preset("compact", resolution=64, num_classes=0)[0].to_dict()
    with pytest.raises(WspaceError, match=path.rpartition(".")[2]) as caught:
        GeneratorConfig.from_dict(changed(data, path, value))
    assert len(str(caught.value)) < 300


def test_classes_of_a_discriminator_are_embedded() -> None:
    data = preset("stylegan2", resolution=64, num_classes=3)[1].to_dict()
    assert DiscriminatorConfig.from_dict(data).mapping is not None
    data["mapping"]["class_input"] = "concat"
    with pytest.raises(WspaceError, match='class_input="concat"'):
        DiscriminatorConfig.from_dict(data)

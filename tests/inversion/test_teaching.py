"""An encoder that is taught from pictures a model draws, and from real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import wspace
from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.formats.model_file import model_sha256
from wspace.inversion import teaching
from wspace.inversion.invert import InversionConfig, invert
from wspace.inversion.teaching import TeachingConfig, real_pictures, teach_encoder
from wspace.networks.config import EncoderConfig
from wspace.networks.generator import Generator

OWN = EncoderConfig(first_width=8, max_width=16, hidden_dim=32)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second whenever it is read."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(teaching.time, "monotonic", lambda: next(ticks))


@pytest.mark.usefixtures("steps")
def test_it_learns_where_pictures_lie_and_inversion_starts_there(
    tiny_generator: Generator,
) -> None:
    sha = model_sha256(tiny_generator)
    untaught = teach_encoder(tiny_generator, TeachingConfig(seconds=1), own=OWN)
    taught = teach_encoder(tiny_generator, TeachingConfig(seconds=30, rate=0.01), own=OWN)
    assert taught.own_psnr > untaught.own_psnr + 1
    assert taught.real_psnr is None
    assert model_sha256(tiny_generator) == sha
    pixels = torch.from_numpy(wspace.render(tiny_generator, wspace.recipes(seeds=[9])).pixels)
    (found,) = invert(tiny_generator, pixels, InversionConfig(seconds=0), encoder=taught.encoder)
    assert found.steps == 0
    assert found.recipe == found.start
    images = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    w = torch.tensor(found.recipe.sources[0].w)
    torch.testing.assert_close(w, taught.encoder(images)[0])


@pytest.mark.usefixtures("steps")
def test_the_same_seed_teaches_the_same(tiny_generator: Generator) -> None:
    config = TeachingConfig(seconds=3, batch_size=4)
    one, other = (teach_encoder(tiny_generator, config, own=OWN).encoder for _ in range(2))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.RandomState(0)
    for k in range(130):
        pixels = random.randint(0, 256, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k:03}.png")
    return tmp_path


@pytest.mark.usefixtures("steps")
def test_real_pictures_are_half_of_what_it_sees(tiny_generator: Generator, data: Path) -> None:
    with Dataset.open(data) as opened:
        real = real_pictures(tiny_generator, opened)
        assert len(real.held_out) == 64
        config = TeachingConfig(seconds=2, batch_size=8, precision="bf16")
        taught = teach_encoder(tiny_generator, config, own=OWN, real=real)
        rest = {bytes(real.next(1).numpy()) for _ in range(66)}
    assert len(rest) == 66
    assert not rest & {bytes(one.numpy()) for one in real.held_out}
    assert taught.real_psnr is not None
    assert taught.real_psnr > 0


def test_data_that_does_not_fit_is_refused(
    tiny_generator: Generator, alpha_generator: Generator, data: Path
) -> None:
    with Dataset.open(data) as opened, pytest.raises(WspaceError, match="make them ready"):
        real_pictures(alpha_generator, opened)
    for path in sorted(data.glob("*.png"))[:10]:
        path.unlink()
    with Dataset.open(data) as opened, pytest.raises(WspaceError, match="at least 128"):
        real_pictures(tiny_generator, opened)
    for change in ({"seconds": 0.0}, {"batch_size": 1}, {"precision": "fp8"}):
        with pytest.raises(WspaceError, match="encoder: "):
            TeachingConfig(**change)  # type: ignore[arg-type]

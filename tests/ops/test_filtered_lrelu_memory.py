"""StyleGAN3's filtered activation takes some channels at a time where all would be too many."""

from __future__ import annotations

import pytest
import torch

from wspace.ops import filtered_lrelu as filters3


@pytest.mark.parametrize("radial", [False, True])
def test_channels_in_parts_give_the_same_maps(
    radial: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(2, 7, 20, 20, generator=torch.Generator().manual_seed(0))
    line = filters3.lowpass_filter(12, cutoff=2.0, width=3.0, rate=16.0)
    down = filters3.lowpass_filter(12, cutoff=2.0, width=3.0, rate=16.0, radial=radial)
    settings = {"up": 2, "down": 2, "padding": (9, 8, 9, 8), "clamp": 256.0}

    def run() -> torch.Tensor:
        return filters3.filtered_lrelu(x, line, down, **settings)  # type: ignore[arg-type]

    with torch.no_grad():
        whole = run()
        monkeypatch.setattr(filters3, "ENLARGED_BYTES", 2 * 3 * 40 * 40 * 4)  # three channels
        torch.testing.assert_close(run(), whole)
    torch.testing.assert_close(run(), whole)  # with gradients all at once, as before

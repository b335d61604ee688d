"""bf16 draws nearly what fp32 draws."""

from __future__ import annotations

import numpy as np
import pytest

from wspace.formats.model_file import bundled_models, load
from wspace.recipe.recipe import recipes
from wspace.rendering.render import render


@pytest.mark.skipif("avatars" not in bundled_models(), reason="no trained model is bundled")
def test_64_pictures_of_a_trained_model_stay_close_in_bf16() -> None:
    generator = load("avatars")
    class_index = 0 if generator.num_classes else None
    single, half = (
        render(
            generator,
            recipes(seeds=range(64), class_index=class_index, precision=precision),
        ).pixels.astype(np.int16)
        for precision in ("fp32", "bf16")
    )
    difference = np.abs(single - half)
    assert difference.max() > 0  # it was another precision
    assert difference.mean() < 1
    assert np.mean(difference <= 6) >= 0.999

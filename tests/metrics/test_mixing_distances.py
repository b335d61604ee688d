"""Mixed pictures: crossovers, classes, and their distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_pictures import write_pictures
from thumbnails import Thumbnails

from wspace.data.dataset import Dataset
from wspace.metrics.comparison import compare
from wspace.metrics.features.generators import Drawing
from wspace.metrics.mixing import measure, mixed_recipes
from wspace.networks.generator import Generator


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_source_gives_a_run_of_layers_and_every_crossover_occurs(
    tiny_generator: Generator, count: int
) -> None:
    drawing = Drawing(generator=tiny_generator, num=200, first_seed=7)
    crossovers = set()
    for seed, recipe in enumerate(mixed_recipes(drawing, count), start=7):
        taken = recipe.layer_sources
        assert taken is not None
        assert list(taken) == sorted(taken)
        assert set(taken) == set(range(count))
        assert recipe.sources[0].seed == seed
        assert len({source.seed for source in recipe.sources}) == count
        crossovers |= {taken.index(k) for k in range(1, count)}
    assert crossovers == (set(range(1, tiny_generator.num_ws)) if count > 1 else set())


def test_sources_are_of_one_class_or_each_of_its_own(conditional_generator: Generator) -> None:
    drawing = Drawing(generator=conditional_generator, num=30, labels=np.array([0, 1, 2]))
    for across in (False, True):
        pairs = [
            {source.class_index for source in recipe.sources}
            for recipe in mixed_recipes(drawing, across=across)
        ]
        assert any(len(pair) == 2 for pair in pairs) == across


@pytest.mark.filterwarnings("ignore::wspace.metrics.frechet.FewSamplesWarning")
def test_a_distance_for_each_number_of_sources(tiny_generator: Generator, tmp_path: Path) -> None:
    data = Dataset.open(write_pictures(tmp_path / "data", count=6))
    drawing = Drawing(generator=tiny_generator, num=5)
    extractor = Thumbnails()
    found = measure(compare(drawing, data, extractor=extractor, keep=False))
    assert list(found) == ["fd_mixed_2", "fd_mixed_3", "fd_mixed_4"]
    assert min(found.values()) > 0
    assert extractor.looked_at == 6 + 5 + 3 * 5

from __future__ import annotations

import numpy as np
import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.build import build_generator
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.recipe.recipe import Source
from wspace.steering.centres import (
    CENTRE_SAMPLES,
    CentresByClass,
    class_mean,
    kmeans,
    nearest_centres,
    towards_nearest_centre,
    w_centres,
)
from wspace.steering.latents import w_of_sources


def test_kmeans_finds_clusters_that_lie_apart_the_largest_first() -> None:
    random = np.random.RandomState(0)
    spots = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    counts = (20, 60, 40)
    points = np.concatenate(
        [spot + 0.1 * random.randn(n, 2) for spot, n in zip(spots, counts, strict=True)]
    )
    centres = kmeans(points, 3, seed=1)
    np.testing.assert_allclose(centres, spots[[1, 2, 0]], atol=0.1)
    np.testing.assert_array_equal(centres, kmeans(points, 3, seed=1))


def test_one_centre_is_the_mean_of_w(tiny_generator: Generator) -> None:
    (centre,) = w_centres(tiny_generator, 1, samples=64)
    w = w_of_sources(tiny_generator, [Source(seed=s) for s in range(64)])
    torch.testing.assert_close(centre, w.mean(dim=0))


def test_each_source_gets_the_centre_nearest_to_it(tiny_generator: Generator) -> None:
    centres = w_centres(tiny_generator, 3, samples=128)
    recipes = wspace.recipes(seeds=range(8), psi=0.0)
    centred = towards_nearest_centre(tiny_generator, recipes, centres)
    w = w_of_sources(tiny_generator, [r.sources[0] for r in recipes])
    distances = torch.cdist(w, centres)
    for recipe, row in zip(centred, distances, strict=True):
        assert recipe.sources[0].centre == tuple(centres[row.argmin()].tolist())
    assert len({recipe.sources[0].centre for recipe in centred}) > 1


def test_psi_zero_gives_the_picture_of_the_centre(tiny_generator: Generator) -> None:
    centre = tuple(np.linspace(-1, 1, 8).tolist())
    at_centre = Source(w=centre)
    (recipe,) = wspace.recipes(seeds=[3], psi=0.0)
    centred = recipe.replace(sources=(Source(seed=3, centre=centre),))
    pictures = wspace.render(
        tiny_generator, [centred, recipe.replace(sources=(at_centre,), psi=1.0), recipe]
    )
    assert (pictures.pixels[0] == pictures.pixels[1]).all()
    assert (pictures.pixels[0] != pictures.pixels[2]).any()


def test_nearest_centres_by_hand() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    w = torch.tensor([[0.4, 0.4], [0.6, 0.6], [5.0, 5.0]])
    assert nearest_centres(w, centres).tolist() == [0, 1, 1]


@pytest.mark.parametrize("count", [0, 257])
def test_a_number_of_centres_outside_its_range_is_refused(
    tiny_generator: Generator, count: int
) -> None:
    with pytest.raises(WspaceError, match="centres="):
        w_centres(tiny_generator, count)


def test_what_has_no_such_centres_is_refused(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="seed=-1"):
        w_centres(tiny_generator, 1, seed=-1)
    with pytest.raises(WspaceError, match="samples=3 are too few for 3 centres"):
        w_centres(tiny_generator, 3, samples=3)
    points = np.array([[0.0, 0.0], [1.0, 1.0]] * 4)
    with pytest.raises(WspaceError, match="all 8 points lie at 2 places"):
        kmeans(points, 3, seed=0)


def test_the_mean_of_a_class_is_that_of_its_w(conditional_generator: Generator) -> None:
    sources = [Source(seed=seed, class_index=1) for seed in range(CENTRE_SAMPLES)]
    w = w_of_sources(conditional_generator, sources)
    mean = class_mean(conditional_generator, 1)
    torch.testing.assert_close(mean, w.mean(dim=0))
    assert torch.equal(mean, class_mean(conditional_generator, 1))
    with pytest.raises(WspaceError, match="give 0 to 2"):
        class_mean(conditional_generator, 3)


def test_a_mean_that_training_kept_is_taken() -> None:
    config = preset("small", resolution=16, num_classes=3)[0]
    generator = build_generator(config).eval().requires_grad_(False)
    kept = generator.mapping.class_w_avg
    assert kept is not None
    kept[2] = 7.0
    assert torch.equal(class_mean(generator, 2), torch.full((config.w_dim,), 7.0))
    assert class_mean(generator, 1).any()  # no image of it was made yet: worked out


def test_each_source_is_pulled_towards_its_own_class(conditional_generator: Generator) -> None:
    recipes = [
        wspace.recipes(seeds=[seed], class_index=of, psi=0.0)[0]
        for seed, of in ((1, 0), (2, 2), (3, 0))
    ]
    centred = towards_nearest_centre(
        conditional_generator, recipes, CentresByClass(conditional_generator, None)
    )
    means = [tuple(class_mean(conditional_generator, of).tolist()) for of in (0, 2, 0)]
    assert [recipe.sources[0].centre for recipe in centred] == means
    by_cluster = towards_nearest_centre(
        conditional_generator, recipes, CentresByClass(conditional_generator, 2)
    )
    for recipe, of in zip(by_cluster, (0, 2, 0), strict=True):
        own = w_centres(conditional_generator, 2, class_index=of).tolist()
        assert list(recipe.sources[0].centre or ()) in own


def test_without_a_class_there_is_no_mean_of_it(
    tiny_generator: Generator, conditional_generator: Generator
) -> None:
    recipes = wspace.recipes(seeds=[1])
    for generator in (tiny_generator, conditional_generator):
        with pytest.raises(WspaceError, match="there is no class to truncate towards"):
            towards_nearest_centre(generator, recipes, CentresByClass(generator, None))

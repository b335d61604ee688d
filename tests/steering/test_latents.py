from __future__ import annotations

import numpy as np
import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Source
from wspace.steering.latents import MAPPING_BATCH, w_of_sources


def test_z_is_what_the_official_scripts_draw(tiny_generator: Generator) -> None:
    z = wspace.latents(tiny_generator, [5, 1, 5])
    expected = np.random.RandomState(5).randn(1, tiny_generator.z_dim).astype(np.float32)
    assert z.dtype == torch.float32
    np.testing.assert_array_equal(z[:1].numpy(), expected)
    assert torch.equal(z[0], z[2])
    assert wspace.latents(tiny_generator, []).shape == (0, tiny_generator.z_dim)


def test_a_w_depends_on_its_source_alone(tiny_generator: Generator) -> None:
    sources = [Source(seed=seed) for seed in range(MAPPING_BATCH + 3)]
    together = w_of_sources(tiny_generator, sources)
    for i, source in enumerate(sources):
        assert torch.equal(w_of_sources(tiny_generator, [source])[0], together[i])
        assert torch.equal(w_of_sources(tiny_generator, sources[: i + 1])[i], together[i])
    expected = tiny_generator.mapping.w(wspace.latents(tiny_generator, range(len(sources))))
    torch.testing.assert_close(together, expected)


def test_a_given_w_is_taken_as_it_is(tiny_generator: Generator) -> None:
    w = torch.linspace(-1, 1, tiny_generator.w_dim)
    found = w_of_sources(tiny_generator, [Source(w=tuple(w.tolist()))])
    assert torch.equal(found[0], w)


def test_a_class_changes_w(conditional_generator: Generator) -> None:
    sources = [Source(seed=1, class_index=k) for k in range(3)]
    w = w_of_sources(conditional_generator, sources)
    assert not torch.equal(w[0], w[1])
    c = torch.eye(3)
    z = wspace.latents(conditional_generator, [1, 1, 1])
    torch.testing.assert_close(w, conditional_generator.mapping.w(z, c))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source(seed=1, class_index=0), "has no classes"),
        (Source(w=(1.0, 2.0)), "takes 8"),
        (Source(seed=1, centre=(1.0,)), "takes 8"),
    ],
)
def test_a_source_that_does_not_fit_is_refused(
    tiny_generator: Generator, source: Source, says: str
) -> None:
    with pytest.raises(WspaceError, match=says):
        w_of_sources(tiny_generator, [source])


@pytest.mark.parametrize("source", [Source(seed=1), Source(seed=1, class_index=3)])
def test_a_missing_or_unknown_class_is_refused(
    conditional_generator: Generator, source: Source
) -> None:
    with pytest.raises(WspaceError, match="0 to 2"):
        w_of_sources(conditional_generator, [source])


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True, "1", None, float("nan")])
def test_what_is_no_seed_is_refused(tiny_generator: Generator, seed: object) -> None:
    with pytest.raises(WspaceError, match=r"seed=.* is (no whole number|outside 0 to)"):
        wspace.latents(tiny_generator, [0, seed])  # type: ignore[list-item]


def test_seeds_of_numpy_are_seeds(tiny_generator: Generator) -> None:
    z = wspace.latents(tiny_generator, np.arange(3, dtype=np.uint32))
    assert torch.equal(z, wspace.latents(tiny_generator, [0, 1, 2]))


def test_psi_that_is_no_number_is_refused(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="not finite"):
        tiny_generator.mapping(wspace.latents(tiny_generator, [0]), psi=float("nan"))

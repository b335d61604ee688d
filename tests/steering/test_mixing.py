from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import wspace
from wspace.errors import WspaceError
from wspace.images import to_uint8
from wspace.networks.generator import Generator
from wspace.recipe.mixing import mix_recipes
from wspace.steering.mixing import gather_styles, mix_styles


def layer_outputs(generator: Generator, ws: Tensor) -> list[Tensor]:
    """What each synthesis layer gives, in order."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        outputs.append(output)

    handles = [layer.register_forward_hook(keep) for layer in generator.synthesis.layers]
    generator.synthesis(ws)
    for handle in handles:
        handle.remove()
    return outputs


@pytest.mark.parametrize("crossover", range(7))
def test_layers_from_the_crossover_on_do_not_touch_the_maps_before_it(
    tiny_generator: Generator, crossover: int
) -> None:
    ws, other = (tiny_generator.mapping(wspace.latents(tiny_generator, [s])) for s in (1, 2))
    mixed = mix_styles(ws, other, range(crossover, tiny_generator.num_ws))
    plain, crossed = layer_outputs(tiny_generator, ws), layer_outputs(tiny_generator, mixed)
    same = [torch.equal(a, b) for a, b in zip(plain, crossed, strict=True)]
    assert same == [layer < crossover for layer in range(tiny_generator.num_ws)]


def test_named_layers_come_from_the_other() -> None:
    ws, other = torch.zeros(2, 6, 3), torch.ones(2, 6, 3)
    assert mix_styles(ws, other, (0, 5))[:, :, 0].tolist() == [[1, 0, 0, 0, 0, 1]] * 2
    assert torch.equal(mix_styles(ws, other, ()), ws)
    with pytest.raises(WspaceError, match="0 to 5"):
        mix_styles(ws, other, (6,))


def test_each_layer_takes_the_w_of_its_source() -> None:
    w = torch.tensor([[1.0], [2.0], [3.0]])
    ws = gather_styles(w, torch.tensor([[0, 2], [1, 1]]))
    assert ws.tolist() == [[[1.0], [3.0]], [[2.0], [2.0]]]


def test_mixing_with_one_source_is_that_source(tiny_generator: Generator) -> None:
    (recipe,) = wspace.recipes(seeds=[4], psi=0.7)
    assert mix_recipes(recipe, recipe, (0, 1), 6) == recipe
    spelled_out = recipe.replace(layer_sources=(0,) * 6)
    pictures = wspace.render(tiny_generator, [recipe, spelled_out])
    assert (pictures.pixels[0] == pictures.pixels[1]).all()


def test_mixed_recipes_render_as_mixed_ws(tiny_generator: Generator) -> None:
    first, second, third = wspace.recipes(seeds=[1, 2, 3], psi=0.6)
    mixed = mix_recipes(mix_recipes(first, second, (2, 3), 6), third, (5,), 6)
    assert mixed.layer_sources == (0, 0, 1, 1, 0, 2)
    assert [source.seed for source in mixed.sources] == [1, 2, 3]
    z = wspace.latents(tiny_generator, [1, 2, 3])
    a, b, c = tiny_generator.mapping(z, psi=0.6).split(1)
    ws = mix_styles(mix_styles(a, b, (2, 3)), c, (5,))
    image = to_uint8(tiny_generator.synthesis(ws))[0].int()
    rendered = torch.from_numpy(wspace.render(tiny_generator, [mixed]).pixels[0]).int()
    assert (image - rendered).abs().max() <= 1

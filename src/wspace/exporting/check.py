"""Whether exported graphs draw what wspace draws, by onnxruntime."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from wspace.errors import WspaceError, reason
from wspace.exporting.graphs import OFFSETS, noise_name
from wspace.exporting.networks import style_widths
from wspace.images import from_uint8
from wspace.networks.generator import Generator
from wspace.networks.truncation import psi_curve
from wspace.recipe.recipe import SETTABLE_NOISE, Edit, NoiseSettings, Recipe, Source
from wspace.recipe.syntax import spread_per_layer
from wspace.rendering.render import render
from wspace.steering.editing import edit_ws, offsets_of_edits
from wspace.steering.latents import latents
from wspace.steering.noise import seeded_map

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "MOST_DIFFERENCE",
    "Agreement",
    "Run",
    "Sessions",
    "agreement",
    "draw",
    "draw_whole",
    "require_agreement",
    "session",
    "trial_recipes",
    "tried",
]

MOST_DIFFERENCE = 2.0  # steps of 1/255 that a float32 picture may be from wspace's

_Array = npt.NDArray[Any]
_PIXELS_AT_ONCE = 2**19
_TRIED = 16  # pictures before files are written; fewer of large ones
_TRIED_PIXELS = 2**18


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far pictures are from those of wspace.

    Attributes:
        pictures: how many were drawn.
        largest: difference of one value of a pixel, in steps of 1/255; with alpha, of colours
            times alpha.
        psnr: in dB; infinite where they are the same.
    """

    pictures: int
    largest: float
    psnr: float


class Run(Protocol):
    """Runs a graph or program by name: arrays in, its outputs by name."""

    def __call__(self, graph: str, /, **inputs: _Array) -> dict[str, _Array]: ...


class Sessions:
    """The graphs of a model, ready to run in onnxruntime on the CPU.

    Args:
        graphs: the bytes of each file, by the names that `graphs.graphs_of` gives.

    Raises:
        WspaceError: onnxruntime refuses one of them.
    """

    def __init__(self, graphs: Mapping[str, bytes]) -> None:
        self._sessions = {name: session(content) for name, content in graphs.items()}

    def __call__(self, graph: str, /, **inputs: _Array) -> dict[str, _Array]:
        """The outputs of a graph by name."""
        chosen = self._sessions[graph]
        names = [output.name for output in chosen.get_outputs()]
        return dict(zip(names, chosen.run(names, inputs), strict=True))


def draw(run: Run, generator: Generator, recipe: Recipe) -> _Array:
    """The picture (H, W, C) of a recipe, by mapping, synthesis and defaults.

    Truncation, mixing, edits and noise are done here, as any program would do them; ``generator``
    says which seeds, layers and mean there are.
    """
    num_ws, mean = generator.num_ws, generator.w_avg.numpy()
    w = np.concatenate([run("mapping", **_latent(generator, one))["w"] for one in recipe.sources])
    w = w[list(recipe.layer_sources or (0,) * num_ws)]  # (num_ws, w_dim)
    ws = mean + _curve(generator, recipe)[:, None] * (w - mean)
    edited = edit_ws(torch.from_numpy(ws)[None], [recipe.edits]).numpy()
    given = run("defaults")
    _set_noise(given, generator, recipe.noise)
    offsets = offsets_of_edits(generator, [recipe.edits])
    if offsets is not None:
        given[OFFSETS] = torch.cat(offsets, dim=1).numpy()
    drawn: _Array = run("synthesis", ws=edited, **given)["picture"][0]
    return drawn


def draw_whole(run: Run, generator: Generator, recipe: Recipe) -> _Array:
    """The picture (H, W, C) of a recipe of one source and the stored noise, by the whole."""
    latent = _latent(generator, recipe.sources[0])
    drawn: _Array = run("whole", **latent, psi=_curve(generator, recipe)[None])["picture"][0]
    return drawn


def session(content: bytes) -> onnxruntime.InferenceSession:
    """A graph ready to run on the CPU, with as many threads as torch takes.

    Raises:
        WspaceError: onnxruntime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has no base class of its own
        raise WspaceError(
            f"onnxruntime {onnxruntime.__version__} refuses the graph ({reason(error)}): give "
            "another --opset."
        ) from None


def trial_recipes(generator: Generator, count: int, *, seed: int = 0) -> tuple[Recipe, ...]:
    """Recipes of all kinds: one source or two, psi and cutoff, classes, edits, modes of noise.

    Every other one has one source, the stored noise and no edits, as the whole draws them.
    """
    random = np.random.RandomState(seed)
    num_ws, made = generator.num_ws, []
    for number in range(count):
        mixed = number % 2 == 1
        sources = tuple(
            Source(
                seed=int(random.randint(2**31)),
                class_index=int(random.randint(generator.num_classes))
                if generator.num_classes
                else None,
            )
            for _ in range(1 + mixed)
        )
        noise = NoiseSettings()
        if generator.const_noise and mixed:
            modes = random.randint(len(SETTABLE_NOISE), size=num_ws)
            noise = NoiseSettings(
                mode=tuple(SETTABLE_NOISE[k] for k in modes),
                seed=int(random.randint(2**31)),
                strength=float(random.uniform(0, 2)),
            )
        made.append(
            Recipe(
                sources=sources,
                layer_sources=tuple(int(k) for k in random.randint(2, size=num_ws))
                if mixed
                else None,
                psi=float(random.uniform(0, 1)),
                cutoff=int(random.randint(num_ws + 1)) if number % 4 == 2 else None,
                edits=_trial_edits(generator, random) if mixed else (),
                noise=noise,
            )
        )
    return tuple(made)


def _trial_edits(generator: Generator, random: np.random.RandomState) -> tuple[Edit, ...]:
    """A step in W, in one layer, and one in style space, in one channel."""
    widths = style_widths(generator)
    style = int(random.randint(len(widths)))
    channel = int(random.randint(widths[style]))
    step = tuple((0.1 * random.randn(generator.w_dim)).tolist())
    return (
        Edit(direction=step, strength=2.0, layers=(int(random.randint(generator.num_ws)),)),
        Edit(channels=((style, channel, 0.5),), strength=-0.5),
    )


def agreement(
    generator: Generator, run: Run, recipes: Sequence[Recipe], *, whole: bool = False
) -> Agreement:
    """Compare what exported files draw with what `render` draws.

    Args:
        generator: the model.
        run: such as `Sessions`.
        recipes: at least one; see `draw`.
        whole: draws by the whole; see `draw_whole`.
    """
    largest, squares, values = 0.0, 0.0, 0
    at_once = max(1, min(16, _PIXELS_AT_ONCE // generator.size.area))
    for start in range(0, len(recipes), at_once):
        some = recipes[start : start + at_once]
        by = draw_whole if whole else draw
        drawn = [by(run, generator, recipe) for recipe in some]
        difference = _premultiplied(np.stack(drawn)) - _premultiplied(
            render(generator, some).pixels
        )
        largest = max(largest, float(np.abs(difference).max()))
        squares += float(np.square(difference).sum())
        values += difference.size
    psnr = math.inf if squares == 0 else 10 * math.log10(255**2 * values / squares)
    return Agreement(pictures=len(recipes), largest=largest, psnr=psnr)


def tried(generator: Generator, run: Run, *, parts: bool, whole: bool = True) -> Agreement:
    """The agreement over a few recipes, as it is worked out before files are written.

    Args:
        generator: the model.
        run: such as `Sessions`.
        parts: draws by mapping and synthesis.
        whole: draws by the whole; one of the two is to be.
    """
    count = max(2, min(_TRIED, _TRIED_PIXELS // generator.size.area))
    recipes = trial_recipes(generator, count)
    found = []
    if whole:
        plain = recipes[::2]  # of one source, with the stored noise
        found.append(agreement(generator, run, plain, whole=True))
    if parts:
        found.append(agreement(generator, run, recipes))
    return Agreement(
        pictures=sum(one.pictures for one in found),
        largest=max(one.largest for one in found),
        psnr=min(one.psnr for one in found),
    )


def require_agreement(found: Agreement) -> None:
    """Whether float32 files draw what wspace draws.

    Raises:
        WspaceError: they differ by `MOST_DIFFERENCE` or more.
    """
    if found.largest >= MOST_DIFFERENCE:
        raise WspaceError(
            f"the files draw something else than wspace, by up to {found.largest:.1f}/255: "
            "nothing was written; report it with the model's configuration."
        )


def _set_noise(given: dict[str, _Array], generator: Generator, settings: NoiseSettings) -> None:
    """Change the stored noise maps as settings ask for."""
    num_ws = generator.num_ws
    modes = spread_per_layer(settings.mode, num_ws)
    seeds = spread_per_layer(settings.seed, num_ws)
    strengths = spread_per_layer(settings.strength, num_ws)
    for number, layer in enumerate(generator.noise_layers):
        name, shape = noise_name(number), generator.noise_shapes[number]
        if modes[layer] == "seeded":
            given[name] = seeded_map(seeds[layer], layer, *shape).numpy()
        factor = 0.0 if modes[layer] == "none" else strengths[layer]
        given[name] = given[name] * np.float32(factor)


def _curve(generator: Generator, recipe: Recipe) -> _Array:
    """(num_ws,), the psi of each layer."""
    return np.array(psi_curve(recipe.psi, recipe.cutoff, generator.num_ws), dtype=np.float32)


def _latent(generator: Generator, source: Source) -> dict[str, _Array]:
    """What mapping takes for a source."""
    inputs: dict[str, _Array] = {"z": latents(generator, [source.seed or 0]).numpy()}
    if generator.num_classes:
        inputs["class"] = np.array([source.class_index], dtype=np.int64)
    return inputs


def _premultiplied(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(N, H, W, C) as numbers from 0 to 255, colours times alpha."""
    images = from_uint8(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    return (images.double().numpy() + 1) * 127.5

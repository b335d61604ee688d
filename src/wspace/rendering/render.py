"""From recipes to pixels: the only way there is."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.figures.sheet import Sheet, picture_sheet
from wspace.files import atomic_write_text
from wspace.images import to_uint8
from wspace.machine import compiled, compiling_pays, cpu_capability
from wspace.networks.generator import Generator
from wspace.networks.mapping import truncate
from wspace.recipe.document import PictureDocument, RenderedBy
from wspace.recipe.png import write_png
from wspace.recipe.recipe import Recipe, Source
from wspace.rendering.identity import WeightsState, identity_of, weights_state
from wspace.rendering.prepare import fold
from wspace.steering.latents import w_of_sources
from wspace.steering.mixing import gather_styles
from wspace.steering.noise import NoiseInputs, check_noise
from wspace.steering.truncation import psi_curve

__all__ = [
    "ARITHMETIC",
    "Pictures",
    "Progress",
    "RenderPath",
    "choose_path",
    "default_batch_size",
    "even_batch_size",
    "render",
    "rendered_by",
    "stream",
]

Progress = Callable[[int, int], None]  # pictures done, pictures in all

# How a synthesis network draws: made ready by `fold`, or compiled on top of that.
RenderPath = Literal["folded", "compiled"]
# Compiling takes 10 to 20 seconds; what is over sooner than this is drawn without.
COMPILE_FROM_SECONDS = 60.0

# Counts the ways in which networks have been worked out: a change after which some network's last
# bits differ raises it, so that no picture of before is promised to come back to the bit.
ARITHMETIC = 2

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# by precision and path: the synthesis made ready to draw, and the weights that it was made of
_Ready = dict[tuple[str, RenderPath], tuple[WeightsState, Callable[[Tensor, Any], Tensor]]]
_made_ready: WeakKeyDictionary[Generator, _Ready] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Rendered pictures, each with its recipe.

    Attributes:
        pixels: (N, H, W, C), uint8.
        recipes: N of them, with the model filled in.
        rendered_by: what the last bit depends on.
    """

    pixels: npt.NDArray[np.uint8]
    recipes: tuple[Recipe, ...]
    rendered_by: RenderedBy

    def __len__(self) -> int:
        return len(self.recipes)

    def save(
        self, folder: Path | str, *, names: Sequence[str] | None = None, sidecar: bool = False
    ) -> list[Path]:
        """Write PNGs that carry their recipes.

        Args:
            folder: made if need be.
            names: of the files, without ending; None names them after their seeds.
            sidecar: writes NAME.json beside each, with what the PNG carries.

        Returns:
            The PNGs' paths.

        Raises:
            WspaceError: a file cannot be written.
        """
        names = names or _names(self.recipes)
        paths = [Path(folder) / f"{name}.png" for name in names]
        for path, pixels, recipe in zip(paths, self.pixels, self.recipes, strict=True):
            document = PictureDocument(recipe=recipe, rendered_by=self.rendered_by)
            write_png(path, pixels, document)
            if sidecar:
                atomic_write_text(path.with_suffix(".json"), document.to_json() + "\n")
        return paths

    def grid(self, **layout: Any) -> Sheet:
        """All pictures on one sheet; see `figures.sheet.picture_sheet` for the arguments."""
        return picture_sheet(self.pixels, self.recipes, self.rendered_by, **layout)


def render(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    batch_size: int | None = None,
    exact_batch: bool = False,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> Pictures:
    """Render recipes.

    Each distinct source goes through the mapping network once. Batches are made equal in size
    and the last one is filled up, so that all pictures are rendered alike.

    Args:
        generator: the model.
        recipes: at least one.
        batch_size: the most pictures to render at once; None chooses by resolution.
        exact_batch: fills even a single batch up to ``batch_size``, to render as before.
        path: see `choose_path`.
        progress: called after each batch.

    Returns:
        The pictures, in order, with recipes that name the model.

    Raises:
        WspaceError: a recipe that does not fit the model, or was made with another one.
    """
    if not recipes:
        raise WspaceError("there is nothing to render: give at least one recipe.")
    most = default_batch_size(generator) if batch_size is None else batch_size
    size = most if exact_batch else even_batch_size(len(recipes), most)
    shape = (generator.resolution, generator.resolution, generator.image_channels)
    pixels = np.empty((len(recipes), *shape), dtype=np.uint8)
    done = 0
    for batch in stream(generator, recipes, batch_size=size, path=path):
        pixels[done : done + len(batch)] = batch
        done += len(batch)
        if progress is not None:
            progress(done, len(recipes))
    model = identity_of(generator)
    return Pictures(
        pixels=pixels,
        recipes=tuple(recipe.replace(model=model) for recipe in recipes),
        rendered_by=rendered_by(generator, batch_size=size, path=path),
    )


def stream(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    batch_size: int,
    path: RenderPath = "folded",
) -> Iterator[npt.NDArray[np.uint8]]:
    """Render recipes batch by batch, for more pictures than memory should hold.

    Args:
        generator: the model.
        recipes: any number.
        batch_size: pictures that go through the networks at once; the last batch is filled up
            and what fills it is dropped.
        path: see `choose_path`.

    Yields:
        (n, H, W, C), uint8, in order, n <= batch_size.

    Raises:
        WspaceError: as `render`, before the first batch.
    """
    check_recipes(generator, recipes)
    numbers: dict[Source, int] = {}
    for recipe in recipes:
        for source in recipe.sources:
            numbers.setdefault(source, len(numbers))
    sources = list(numbers)
    w = w_of_sources(generator, sources)
    centres = w.new_empty(w.shape)
    for i, source in enumerate(sources):
        centres[i] = generator.w_avg if source.centre is None else torch.tensor(source.centre).to(w)
    noise = NoiseInputs(generator)
    for start in range(0, len(recipes), batch_size):
        batch = recipes[start : start + batch_size]
        rows = [[numbers[source] for source in recipe.sources] for recipe in batch]
        yield _render_batch(generator, batch, rows, w, centres, noise, batch_size, path)


def choose_path(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    batch_size: int | None = None,
    exact_batch: bool = False,
    wanted: RenderPath | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> RenderPath:
    """How to draw recipes: compiled where that is possible, and pays.

    Compiled networks draw the same pictures but for rounding, on a CPU with bfloat16 units 1.1
    to 1.6 times as fast (benchmarks/RESULTS.md).

    Args:
        generator: the model.
        recipes: all that are to be drawn.
        batch_size: as in `render`.
        exact_batch: as in `render`.
        wanted: compiles even what is short, or nothing; None: "compiled" where drawing would take
            longer than `COMPILE_FROM_SECONDS`, by the time of a batch.
        say: told before it compiles, which takes a while.

    Returns:
        "folded" or "compiled"; then it has been compiled.

    Raises:
        WspaceError: as `render`.

    Warns:
        RuntimeWarning: compiling failed, such as without a C++ compiler.
    """
    most = default_batch_size(generator) if batch_size is None else batch_size
    size = most if exact_batch else even_batch_size(max(len(recipes), 1), most)

    def seconds(path: RenderPath) -> float:
        start = time.perf_counter()
        next(stream(generator, recipes[:size], batch_size=size, path=path))
        return time.perf_counter() - start

    if wanted == "folded" or not recipes:
        return "folded"
    if wanted is None:
        fastest = "bf16" if {recipe.precision for recipe in recipes} == {"bf16"} else "fp32"
        if not compiling_pays(generator.w_avg.device.type, fastest):
            return "folded"
        batches = len(recipes) / size
        longest = seconds("folded") * batches  # the first batch is slower than those after it
        if longest < COMPILE_FROM_SECONDS or seconds("folded") * batches < COMPILE_FROM_SECONDS:
            return "folded"
    try:
        say("compiling the network: 10 to 20 seconds, a few where that was done before")
        seconds("compiled")
    except RuntimeError as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        warnings.warn(
            f"the network could not be compiled here ({reason:.100}): it draws without that.",
            RuntimeWarning,
            stacklevel=2,
        )
        return "folded"
    return "compiled"


def check_recipes(generator: Generator, recipes: Sequence[Recipe]) -> None:
    """Whether recipes fit a generator.

    Raises:
        WspaceError: they were made with another model, or for one with other layers; noise was
            asked of a network without noise inputs.
    """
    num_ws = generator.num_ws
    for model in {recipe.model for recipe in recipes} - {None}:
        identity = identity_of(generator)
        if model is not None and model.sha256 != identity.sha256:
            raise WspaceError(
                f"the recipe was made with model {model.name or 'without a name'} (sha256 "
                f"{model.sha256[:12]}...), this one is {identity.name or 'without a name'} (sha256 "
                f'{identity.sha256[:12]}...): give that model, or take "model" out of the recipe.'
            )
    for recipe in recipes:
        noise = recipe.noise
        for name, value in (
            ("layer_sources", recipe.layer_sources),
            ("psi", recipe.psi),
            ("noise mode", noise.mode),
            ("noise seed", noise.seed),
            ("noise strength", noise.strength),
        ):
            if isinstance(value, tuple) and len(value) != num_ws:
                raise WspaceError(
                    f"recipe: {name} has {len(value)} values: this model has {num_ws} layers."
                )
        if recipe.cutoff is not None and recipe.cutoff > num_ws:
            raise WspaceError(f"recipe: cutoff={recipe.cutoff} is outside 0 to {num_ws}.")
    for settings in {recipe.noise for recipe in recipes}:
        check_noise(generator, settings)


def default_batch_size(generator: Generator) -> int:
    """Pictures to render at once: fewer when they are large."""
    return min(16, max(1, 2**19 // generator.resolution**2))


def even_batch_size(count: int, most: int) -> int:
    """The size of equal batches for ``count`` pictures, at most ``most`` and little filled up."""
    if most < 1:
        raise WspaceError(f"batch_size={most} is too small: give at least 1.")
    return -(-count // -(-count // most))


def rendered_by(
    generator: Generator, *, batch_size: int, path: RenderPath = "folded"
) -> RenderedBy:
    """What the last bit of a picture depends on, here and now."""
    device = generator.w_avg.device
    name = f" {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return RenderedBy(
        torch=str(torch.__version__),
        device=device.type + name,
        cpu=f"{platform.machine()} {cpu_capability()}",
        threads=torch.get_num_threads(),
        batch_size=batch_size,
        path=path,
        arithmetic=ARITHMETIC,
    )


@torch.inference_mode()
def _render_batch(
    generator: Generator,
    recipes: Sequence[Recipe],
    rows: Sequence[Sequence[int]],
    w: Tensor,
    centres: Tensor,
    noise: NoiseInputs,
    batch_size: int,
    path: RenderPath,
) -> npt.NDArray[np.uint8]:
    """The pixels of one batch, (len(recipes), H, W, C); each precision in a pass of its own."""
    pixels: list[npt.NDArray[np.uint8] | None] = [None] * len(recipes)
    for precision in sorted({recipe.precision for recipe in recipes}):
        members = [i for i, recipe in enumerate(recipes) if recipe.precision == precision]
        filled = members + members[-1:] * (batch_size - len(members))
        ws = _ws_of(generator, [recipes[i] for i in filled], [rows[i] for i in filled], w, centres)
        synthesis = _synthesis_for(generator, precision, path)
        dtype = _DTYPES[precision]
        maps = noise.of([recipes[i].noise for i in filled], dtype)
        images = synthesis(ws, maps)
        for i, picture in zip(members, to_uint8(images[: len(members)]).cpu().numpy(), strict=True):
            pixels[i] = picture
    return np.stack([picture for picture in pixels if picture is not None])


def _ws_of(
    generator: Generator,
    recipes: Sequence[Recipe],
    rows: Sequence[Sequence[int]],
    w: Tensor,
    centres: Tensor,
) -> Tensor:
    """(N, num_ws, w_dim): mixed and truncated.

    ``rows[n]`` says where in ``w`` and ``centres`` (both (S, w_dim)) the sources of recipe n lie.
    """
    num_ws = generator.num_ws
    taken = [
        [own[k] for k in recipe.layer_sources] if recipe.layer_sources else [own[0]] * num_ws
        for recipe, own in zip(recipes, rows, strict=True)
    ]
    layer_sources = torch.tensor(taken, device=w.device)  # (N, num_ws)
    ws = gather_styles(w, layer_sources)
    curves = [psi_curve(recipe.psi, recipe.cutoff, num_ws) for recipe in recipes]
    if all(psi == 1 for curve in curves for psi in curve):
        return ws
    psi = torch.tensor(curves, device=w.device)[:, :, None]  # (N, num_ws, 1)
    return truncate(ws, gather_styles(centres, layer_sources), psi)


def _synthesis_for(
    generator: Generator, precision: str, path: RenderPath
) -> Callable[[Tensor, Any], Tensor]:
    """The synthesis to call, made anew where the weights have changed."""
    state = weights_state(generator)
    kept = _made_ready.setdefault(generator, {})
    key = (precision, path)
    if key not in kept or kept[key][0] != state:
        if path == "compiled":
            # on a GPU its kernels are then started all at once
            mode = "reduce-overhead" if generator.w_avg.device.type == "cuda" else None
            ready = compiled(_synthesis_for(generator, precision, "folded"), mode)  # type: ignore[arg-type]
        else:
            with torch.inference_mode(False), torch.no_grad():
                ready = fold(generator.synthesis, _DTYPES[precision])
        kept[key] = (state, ready)
    return kept[key][1]


def _names(recipes: Sequence[Recipe]) -> list[str]:
    """File names after the seeds where each recipe has one, made distinct by a number."""
    names: list[str] = []
    used: dict[str, int] = {}
    for i, recipe in enumerate(recipes):
        source = recipe.sources[0]
        if len(recipe.sources) == 1 and source.seed is not None:
            name = f"seed{source.seed:04d}"
            if source.class_index is not None:
                name += f"-class{source.class_index}"
        else:
            name = f"picture{i:04d}"
        used[name] = used.get(name, 0) + 1
        names.append(name if used[name] == 1 else f"{name}-{used[name]}")
    return names

"""What the commands that draw share: loading a model, and the options that make recipes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from wspace.errors import WspaceError
from wspace.recipe.recipe import NoiseSettings, Recipe, Source, recipes
from wspace.recipe.syntax import Layers, parse_per_layer, parse_seeds

if TYPE_CHECKING:
    from wspace.networks.generator import Generator
    from wspace.rendering.synthesis_cache import RenderPath

__all__ = [
    "SteeringOptions",
    "choose_render_path",
    "compile_option",
    "file_path",
    "load_generator",
    "read_seeds",
    "steering_options",
    "theme_option",
]

_Command = Callable[..., Any]

theme_option = click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Colours of sheets.",
)


@dataclass(frozen=True, kw_only=True)
class SteeringOptions:
    """What the options of `steering_options` were given as, read once the model is known."""

    psi: str
    cutoff: int | None
    class_index: int | None
    centres: int | None
    noise: str
    noise_seed: str
    noise_strength: str
    precision: Literal["fp32", "bf16"]
    device: str
    batch_size: int | None

    def recipes(self, generator: Generator, seeds: tuple[int, ...]) -> tuple[Recipe, ...]:
        """One recipe a seed.

        Raises:
            WspaceError: an option that this model cannot follow.
        """
        layers = Layers.of(generator)
        made = recipes(
            seeds=seeds,
            class_index=self.class_index,
            psi=parse_per_layer(self.psi, layers, float, what="psi", default=1.0),
            cutoff=self._cutoff(generator.num_ws),
            noise=NoiseSettings(
                mode=parse_per_layer(self.noise, layers, str, what="noise mode", default="const"),  # type: ignore[arg-type]
                seed=parse_per_layer(self.noise_seed, layers, _whole, what="noise seed", default=0),
                strength=parse_per_layer(
                    self.noise_strength, layers, float, what="noise strength", default=1.0
                ),
            ),
            precision=self.precision,
        )
        return made if self.centres is None else self._centred(generator, made)

    def source(self, seed: int) -> Source:
        """The source of a seed."""
        return Source(seed=seed, class_index=self.class_index)

    def _cutoff(self, num_ws: int) -> int | None:
        if self.cutoff is not None and self.cutoff > num_ws:
            raise WspaceError(f"cutoff={self.cutoff} is outside this model: give 0 to {num_ws}.")
        return self.cutoff

    def _centred(self, generator: Generator, made: tuple[Recipe, ...]) -> tuple[Recipe, ...]:
        from wspace.steering.truncation import towards_nearest_centre, w_centres

        assert self.centres is not None
        centres = w_centres(generator, self.centres, class_index=self.class_index)
        return towards_nearest_centre(generator, made, centres)


def steering_options(command: _Command) -> _Command:
    """Add the options that say how pictures are made; the command gets them as ``steering``."""
    names = tuple(SteeringOptions.__dataclass_fields__)

    @functools.wraps(command)
    def gather(**arguments: Any) -> Any:
        steering = SteeringOptions(**{name: arguments.pop(name) for name in names})
        return command(steering=steering, **arguments)

    wrapped: _Command = gather
    for option in reversed(_STEERING):
        wrapped = option(wrapped)
    return wrapped


def load_generator(model: str, device: str = "auto") -> Generator:
    """The generator behind a bundled name, a file or a run folder, on a device.

    Raises:
        WspaceError: no such model or device.
    """
    from wspace.formats.model_file import load
    from wspace.machine import choose_device, keep_freed_memory

    keep_freed_memory()  # a process of its own: tensors come and go, batch after batch
    return load(model, device=choose_device(device))


def compile_option(command: _Command) -> _Command:
    """Add ``--compile``; the command gets it as ``compiling``."""
    added: _Command = click.option(
        "--compile",
        "compiling",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Compile the network first; auto: where that saves time.",
    )(command)
    return added


def choose_render_path(
    generator: Generator, recipes: Sequence[Recipe], compiling: str, batch_size: int | None
) -> RenderPath:
    """What ``--compile`` comes to here; what keeps it from that is told in one line."""
    from wspace.rendering.render_path import choose_path

    wanted: dict[str, RenderPath | None] = {"auto": None, "on": "compiled", "off": "folded"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        path = choose_path(
            generator,
            recipes,
            batch_size=batch_size,
            wanted=wanted[compiling],
            say=lambda line: click.echo(line, err=True),
        )
    for message in [one.message for one in caught if one.category is RuntimeWarning]:
        click.echo(f"warning: {message}", err=True)
    return path


def read_seeds(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """Callback of options that take seeds."""
    return None if text is None else parse_seeds(text)


def file_path(path: Path, *suffixes: str) -> Path:
    """The path, if it ends as it should.

    Raises:
        WspaceError: another ending.
    """
    if path.suffix.lower() not in suffixes:
        raise WspaceError(f"{path} should end with {' or '.join(suffixes)}: name it so.")
    return path


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise WspaceError(f"{text!r:.60} is no noise seed: give a whole number from 0 on.")
    return int(text)


_STEERING = (
    click.option(
        "--psi",
        default="1",
        show_default=True,
        metavar="PSI[@LAYERS,...]",
        help="Truncation, -1 to 1.5: 1 = off, 0 = the mean picture; 0.7 is a good start.",
    ),
    click.option("--cutoff", type=click.IntRange(min=0), help="Layers from here on: psi 1."),
    click.option(
        "--centres",
        type=click.IntRange(min=1),
        metavar="K",
        help="Truncate towards the nearest of K cluster centres of w instead of the mean.",
    ),
    click.option(
        "--class", "class_index", type=click.IntRange(min=0), help="For models with classes."
    ),
    click.option(
        "--noise",
        default="const",
        show_default=True,
        metavar="MODE[@LAYERS,...]",
        help="const (the model's own maps), seeded or none.",
    ),
    click.option(
        "--noise-seed",
        default="0",
        show_default=True,
        metavar="SEED[@LAYERS,...]",
        help="Of seeded noise.",
    ),
    click.option(
        "--noise-strength",
        default="1",
        show_default=True,
        metavar="FACTOR[@LAYERS,...]",
        help="Multiplies the strength that the model learned.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        show_default=True,
        help="Of the synthesis network.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    click.option("--batch-size", type=click.IntRange(min=1), help="The most pictures at once."),
)

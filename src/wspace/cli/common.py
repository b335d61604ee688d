"""What the commands that draw share: loading a model, and the options that make recipes."""

from __future__ import annotations

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wspace.cli.data_place import say
from wspace.errors import WspaceError, command_line
from wspace.files import check_file
from wspace.plain import options_of
from wspace.recipe.classes import Classes
from wspace.recipe.editing import parse_edits
from wspace.recipe.recipe import PRECISIONS, Edit, Recipe
from wspace.recipe.request import Request
from wspace.recipe.starts import Start, parse_starts
from wspace.recipe.syntax import Layers, parse_seeds

if TYPE_CHECKING:
    from wspace.networks.generator import Generator
    from wspace.rendering.synthesis_cache import RenderPath

__all__ = [
    "FILMS",
    "SteeringOptions",
    "again",
    "choose_render_path",
    "compile_option",
    "file_path",
    "load_generator",
    "model_edits",
    "one_start",
    "read_secret",
    "read_seeds",
    "read_starts",
    "steering_options",
    "theme_option",
]

MAX_SECRET = 1024  # bytes of its file
FILMS = (".mp4", ".webp", ".gif")  # endings of films in one file

_Command = Callable[..., Any]
_MADE_TOGETHER = 256  # recipes
_MAKE_RECIPES = (
    "seed", "psi", "cutoff", "centres", "towards", "class_index", "noise", "noise_seed",
    "noise_strength", "precision",
)  # fmt: skip

theme_option = click.option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="Colours of sheets.",
)


@dataclass(frozen=True, kw_only=True)
class SteeringOptions:
    """The values of `steering_options` as they were typed, parsed once the model is known."""

    request: Request
    centres: int | None
    towards: str
    device: str
    batch_size: int | None
    model: str

    def __post_init__(self) -> None:
        if self.centres is not None and self.towards == "class":
            raise WspaceError("--centres and --towards exclude each other: leave one out.")

    def recipes(self, generator: Generator, starts: Sequence[Start]) -> tuple[Recipe, ...]:
        """One recipe a seed or file; seeds in a pair with a class have that one.

        A file keeps its own psi and noise, and takes the edits after its own.

        Raises:
            WspaceError: an option that this model cannot follow, or a file that carries no recipe
                for it.
        """
        return tuple(self.each(generator, starts))

    def edits(self, generator: Generator) -> tuple[Edit, ...]:
        """The steps alone, for a recipe that is there; raises as `recipes`."""
        if not self.request.edit:
            return ()
        from wspace.steering.editing import check_touches

        edits = parse_edits(
            self.request.edit, Layers.of(generator), model_edits(self.model, generator)
        )
        check_touches(generator, edits)
        return edits

    def each(self, generator: Generator, starts: Sequence[Start]) -> Iterator[Recipe]:
        """As `recipes`, made while they are asked for."""
        edits = self.edits(generator)
        request = dataclasses.replace(self.request, edit="")
        if all(isinstance(one, Path) for one in starts) and (
            request != Request() or self.centres is not None or self.towards == "class"
        ):
            raise WspaceError(
                "pictures of files keep their own psi, class, noise and precision, and there are "
                "no seeds here: leave these options out, but for --edit."
            )
        layers, classes = Layers.of(generator), Classes.of(generator)
        centres = None
        if self.centres is not None or self.towards == "class":
            from wspace.steering.centres import CentresByClass, towards_nearest_centre

            centres = CentresByClass(generator, self.centres)
        for start in range(0, len(starts), _MADE_TOGETHER):
            some = starts[start : start + _MADE_TOGETHER]
            seeds = [one for one in some if not isinstance(one, Path)]
            made = request.recipes(seeds, layers, classes=classes)
            if centres is not None:
                made = towards_nearest_centre(generator, made, centres)
            left = iter(made)
            for one in some:
                recipe = _of_file(generator, one) if isinstance(one, Path) else next(left)
                yield recipe.replace(edits=(*recipe.edits, *edits)) if edits else recipe


def read_secret(file: Path | None, variable: str) -> str | None:
    """A password or token, from where no other user of the machine sees it.

    Args:
        file: its first line is the secret.
        variable: of the environment that holds it where there is no file.

    Returns:
        None where it is neither here nor there.

    Raises:
        WspaceError: the file cannot be read.
    """
    if file is None:
        return os.environ.get(variable) or None
    try:
        with open(file, "rb") as opened:
            content = opened.read(MAX_SECRET)
    except OSError as error:
        raise WspaceError(f"cannot read {file}: {error.strerror}: check the path.") from None
    return content.decode(errors="replace").partition("\n")[0].rstrip("\r")


def steering_options(command: _Command) -> _Command:
    """Add the options that say how pictures are made; the command gets them as ``steering``."""
    own = [field.name for field in fields(Request)]
    others = ("centres", "towards", "device", "batch_size")

    @functools.wraps(command)
    def gather(**arguments: Any) -> Any:
        request = Request(**{name: arguments.pop(name) for name in own})
        rest = {name: arguments.pop(name) for name in others} | {"model": arguments["model"]}
        return command(steering=SteeringOptions(request=request, **rest), **arguments)

    wrapped: _Command = gather
    for option in reversed(_STEERING):
        wrapped = option(wrapped)
    return wrapped


def _of_file(generator: Generator, path: Path) -> Recipe:
    """The recipe of a PNG or JSON file, if it is one of this model."""
    from wspace.recipe.picture_file import recipe_of_file
    from wspace.rendering.render import check_recipes

    recipe = recipe_of_file(path)
    try:
        check_recipes(generator, [recipe])
    except WspaceError as error:
        raise WspaceError(f"{path}: {error}") from None
    return recipe


def model_edits(model: str, generator: Generator) -> dict[str, Edit]:
    """The named directions of a model, at strength 1; raises as `read_directions`."""
    from wspace.formats.directions import directions_path, read_directions

    found = read_directions(directions_path(model), generator)
    return {name: direction.edit for name, direction in found.items()}


def load_generator(model: str, device: str = "auto") -> Generator:
    """The generator behind a bundled name, a file or a run folder, on a device.

    Raises:
        WspaceError: no such model or device.
    """
    from wspace.formats.model_file import load
    from wspace.machine import choose_device, keep_freed_memory

    keep_freed_memory()  # a process of its own: tensors come and go, batch after batch
    return load(model, device=choose_device(device))


def one_start(
    context: click.Context, steering: SteeringOptions, seed: int | None, recipe_file: Path | None
) -> Start:
    """What a command that changes one picture starts from: its file, or its seed.

    Raises:
        WspaceError: options for several pictures, or for seeds beside a file.
    """
    if recipe_file is not None:
        refuse_with_recipe(context)
    if steering.batch_size is not None:
        raise WspaceError("--batch-size is for several pictures, this is of one: leave it out.")
    return (seed or 0) if recipe_file is None else recipe_file


def refuse_with_recipe(context: click.Context) -> None:
    """Beside ``--recipe``, options that make another recipe are refused; edits are not.

    Raises:
        WspaceError: names the first one that was given.
    """
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if given and parameter.name in _MAKE_RECIPES:
            raise WspaceError(
                f"--recipe and {parameter.opts[0]} exclude each other: leave one out."
            )


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
    generator: Generator,
    recipes: Sequence[Recipe],
    compiling: str,
    batch_size: int | None,
    count: int | None = None,
) -> RenderPath:
    """The path that ``--compile`` leads to here; where it cannot compile, a line says why."""
    from wspace.rendering.render_path import choose_path

    wanted: dict[str, RenderPath | None] = {"auto": None, "on": "compiled", "off": "folded"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        path = choose_path(
            generator,
            recipes,
            count=count,
            batch_size=batch_size,
            wanted=wanted[compiling],
            say=say,
        )
    for message in [one.message for one in caught if one.category is RuntimeWarning]:
        click.echo(f"warning: {message}", err=True)
    return path


def read_starts(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """Callback of options that take seeds, some with classes of their own, and files."""
    return None if text is None else parse_starts(text)


def read_seeds(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """Callback of options that take seeds."""
    return None if text is None else parse_seeds(text)


def file_path(path: Path, *suffixes: str) -> Path:
    """The path of a file to write, if it ends as it should and can be written.

    Raises:
        WspaceError: another ending, or a place that cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        named = " or ".join([", ".join(suffixes[:-1]), suffixes[-1]] if suffixes[1:] else suffixes)
        raise WspaceError(f"{path} should end with {named}: name it so.")
    return check_file(path)


def again(context: click.Context, *, without: Sequence[str] = (), **changes: str) -> str:
    """The command that was given, such as to go on with it where it was interrupted.

    Args:
        context: of the command.
        without: options that are left out, by their names in Python.
        changes: options whose text is another, likewise.
    """
    words: list[object] = ["wspace", context.command.name]
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if name in without or not (given or name in changes):
            continue
        value = changes.get(name, context.params[name])
        if isinstance(parameter, click.Option):
            words.append(parameter.opts[0])
            if parameter.is_flag:
                continue
        words.append(value)
    return command_line(*words)


def _asked(name: str, *names: str, **settings: Any) -> Callable[[_Command], _Command]:
    """The option that fills a field of `Request`; ``names`` are click's for its value."""
    field = next(option for option in options_of(Request) if option.name == name)
    shown = {"default": field.default, "show_default": True} if field.default is not None else {}
    option: Callable[[_Command], _Command] = click.option(
        f"--{name.replace('_', '-')}", *names, help=field.meaning, **shown, **settings
    )
    return option


_STEERING = (
    _asked("psi", metavar="PSI[@LAYERS,...]"),
    _asked("cutoff", type=click.IntRange(min=0)),
    click.option(
        "--centres",
        type=click.IntRange(min=1),
        metavar="K",
        help="Truncate towards the nearest of K cluster centres of w instead of the mean.",
    ),
    click.option(
        "--towards",
        type=click.Choice(["mean", "class"]),
        default="mean",
        show_default=True,
        help="Truncate towards the mean of all pictures, or of the class.",
    ),
    _asked("class", "class_index", metavar="CLASS"),
    _asked("edit", metavar="NAME=STRENGTH[@LAYERS],..."),
    _asked("noise", metavar="MODE[@LAYERS,...]"),
    _asked("noise_seed", metavar="SEED[@LAYERS,...]"),
    _asked("noise_strength", metavar="FACTOR[@LAYERS,...]"),
    _asked("precision", type=click.Choice(PRECISIONS)),
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    click.option("--batch-size", type=click.IntRange(min=1), help="The most pictures at once."),
)

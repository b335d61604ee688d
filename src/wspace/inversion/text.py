"""A picture that a text describes: w are moved until CLIP finds that they draw what it says.

Source: Patashnik et al. 2021 (StyleCLIP), Section 4 (latent optimisation), without the loss that
keeps a person's identity: models of anything have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError, reason, shown
from wspace.files import read_limited
from wspace.images import rgb_of, to_uint8
from wspace.inversion.descent import Clock, descend
from wspace.networks.generator import Generator
from wspace.networks.pretrained.clip import Activation, ClipNetwork
from wspace.networks.pretrained.tokens import Tokenizer
from wspace.plain import About, Range, check
from wspace.recipe.mixing import put_w
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import ws_before_edits
from wspace.steering.directions import sample_w
from wspace.steering.editing import edit_ws, offsets_of_edits
from wspace.steering.noise import NoiseInputs
from wspace.steering.white_space import WhiteSpace

__all__ = ["Clip", "TextConfig", "Told", "follow_text"]

GIVE = (
    "give the folder of a CLIP as the transformers library keeps it: its weights as safetensors, "
    "vocab.json and merges.txt"
)
MAX_TEXT_FILE = 64 * 2**20  # bytes of vocab.json, merges.txt and config.json
_ACTIVATIONS = ("quick_gelu", "gelu")


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A CLIP that the user has.

    Attributes:
        network: frozen.
        tokenizer: of its texts.
    """

    network: ClipNetwork
    tokenizer: Tokenizer

    @classmethod
    def read(cls, folder: Path) -> Clip:
        """The CLIP in a folder; the weights are known by what they are, not by their name.

        Raises:
            WspaceError: something is missing there, or none of a CLIP.
        """
        if not folder.is_dir():
            raise WspaceError(f"{folder} is no folder: {GIVE}.")
        vocabulary = _json(folder / "vocab.json")
        merges = _text(folder / "merges.txt").splitlines()
        config = _json(folder / "config.json") if (folder / "config.json").exists() else {}
        activation = _activation(config, folder)
        tensors = None
        for path in sorted(folder.glob("*.safetensors")):
            tensors = _clip_tensors(path)
            if tensors is not None:
                break
        if tensors is None:
            raise WspaceError(f"{folder} has no safetensors file with a CLIP in it: {GIVE}.")
        try:
            if not isinstance(vocabulary, dict):
                raise WspaceError("vocab.json is no JSON object")
            tokenizer = Tokenizer(vocabulary, merges)
            network = ClipNetwork(tensors, activation)
            if len(vocabulary) != network.vocabulary:
                raise WspaceError(
                    f"vocab.json has {len(vocabulary)} tokens, the weights {network.vocabulary}"
                )
        except WspaceError as error:
            raise WspaceError(f"{folder}: {str(error).rstrip('.')}: {GIVE}.") from None
        return cls(network=network, tokenizer=tokenizer)

    def of_text(self, text: str) -> Tensor:
        """(1, dim): where a text lies.

        Raises:
            WspaceError: an empty text, or one that is too long.
        """
        tokens = self.tokenizer.tokens(text)
        if len(tokens) > self.network.context:
            raise WspaceError(
                f"text {shown(text)} has {len(tokens)} tokens, this CLIP reads "
                f"{self.network.context}: say it more shortly."
            )
        device = next(self.network.buffers()).device
        with torch.no_grad():
            return self.network.of_texts(torch.tensor([tokens], device=device))


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text is followed."""

    steps: Annotated[int, Range(0, 100_000), About("of the optimiser", "steps")] = 200
    seconds: Annotated[
        float | None, Range(low=0), About("it ends after that time, if it is sooner", "seconds")
    ] = None
    rate: Annotated[float, Range(above=0, high=10), About("Adam's, in deviations of w")] = 0.1
    hold: Annotated[
        float, Range(low=0, high=1e6), About("how much the picture stays what it was")
    ] = 0.02

    def __post_init__(self) -> None:
        check(self, "text: ")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A picture that followed a text.

    Attributes:
        recipe: draws it.
        before: how much the picture was like the text at first: the cosine of the two, -1 to 1.
        after: and is now.
        steps: that were taken.
    """

    recipe: Recipe
    before: float
    after: float
    steps: int


def follow_text(
    generator: Generator,
    recipe: Recipe,
    clip: Clip,
    text: str,
    config: TextConfig = TextConfig(),
    *,
    watch: Callable[[int, Tensor], None] = lambda *_: None,
) -> Told:
    """Change a picture until it is what a text says, as far as its model can draw that.

    Args:
        generator: the model.
        recipe: the picture to start from.
        clip: see `Clip.read`; on the generator's device.
        text: in the language that the CLIP learned.
        config: see `TextConfig`.
        watch: called after each step with the steps done and the picture, (1, H, W, C), uint8.

    Returns:
        The recipe holds the w of all layers, with truncation in them; all else stays as it was.

    Raises:
        WspaceError: as `Clip.of_text`; a recipe that does not fit.
    """
    wanted = clip.of_text(text)
    start = ws_before_edits(generator, recipe)  # (1, num_ws, w_dim)
    space = WhiteSpace.of(sample_w(generator))
    u = space.u_of(start).clone().requires_grad_()
    begun = u.detach().clone()
    maps = NoiseInputs(generator).of([recipe.noise], torch.float32)
    steps_in_w = edit_ws(torch.zeros_like(begun), [recipe.edits])  # (1, num_ws, w_dim)
    offsets = offsets_of_edits(generator, [recipe.edits])
    synthesis = generator.synthesis.eval().requires_grad_(False)

    def draw() -> Tensor:
        images: Tensor = synthesis(space.w_of(u) + steps_in_w, maps, style_offsets=offsets)
        return images.clamp(-1, 1)

    def likeness(images: Tensor) -> Tensor:
        return (clip.network.of_images(rgb_of(images)) * wanted).sum()

    drawn = draw().detach()
    before = float(likeness(drawn))

    def loss(_: int) -> Tensor:
        nonlocal drawn
        images = draw()
        drawn = images.detach()
        return 1 - likeness(images) + config.hold * (u - begun).square().mean()

    steps = descend(
        [u],
        loss,
        rate=config.rate,
        steps=config.steps,
        clock=Clock(config.seconds),
        after=lambda done: watch(done, to_uint8(drawn).cpu()),
    )
    with torch.no_grad():
        after = float(likeness(draw()))
        rows = space.w_of(u)[0].tolist()
    found = {layer: tuple(row) for layer, row in enumerate(rows)}
    return Told(
        recipe=put_w(recipe, found, generator.num_ws) if steps else recipe,
        before=before,
        after=after,
        steps=steps,
    )


def _clip_tensors(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file that holds a CLIP; None where it holds something else."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            if not {"text_projection.weight", "visual_projection.weight"} <= set(file.keys()):
                return None
        return safetensors.torch.load_file(path)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror or error}: check it.") from None
    except (safetensors.SafetensorError, ValueError) as error:
        raise WspaceError(f"{path} is no safetensors file ({reason(error)}): {GIVE}.") from None


def _activation(config: Any, folder: Path) -> Activation:
    """What ``config.json`` says of the dense layers; both transformers have the same."""
    whole = config if isinstance(config, dict) else {}
    parts = [whole.get(part) for part in ("text_config", "vision_config")]
    named = {part.get("hidden_act", "quick_gelu") for part in parts if isinstance(part, dict)}
    if len(named) > 1 or not named <= set(_ACTIVATIONS):
        raise WspaceError(
            f"{folder}: config.json says hidden_act {shown(sorted(map(str, named)))}: a CLIP has "
            "quick_gelu or gelu."
        )
    return cast(Activation, named.pop() if named else "quick_gelu")


def _json(path: Path) -> Any:
    text = _text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise WspaceError(f"{path} is no JSON: {GIVE}.") from None


def _text(path: Path) -> str:
    try:
        return read_limited(path, MAX_TEXT_FILE, missing=GIVE, large=GIVE).decode()
    except UnicodeDecodeError:
        raise WspaceError(f"{path} is no text: {GIVE}.") from None

"""A recipe in words: a line for a sheet, or all of it for a page."""

from __future__ import annotations

import hashlib

from wspace.errors import one_line
from wspace.recipe.document import RenderedBy
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source
from wspace.recipe.syntax import spread_per_layer

__all__ = ["describe", "describe_rendered_by", "edit_label", "recipe_lines", "seed_label"]


def describe(recipe: Recipe) -> str:
    """All but sources and model, in a line: such as "psi 0.7, cutoff 8; no noise; bf16"."""
    edits = ", ".join(map(edit_label, recipe.edits))
    parts = [
        _psi(recipe),
        edits,
        _noise(recipe.noise),
        "bf16" if recipe.precision == "bf16" else "",
    ]
    return "; ".join(part for part in parts if part)


def edit_label(edit: Edit) -> str:
    """Such as "glasses 1.5" or "an edit of -2 in layers 0,1"."""
    words = f"{edit.name} {edit.strength:g}" if edit.name else f"an edit of {edit.strength:g}"
    return words if edit.layers is None else f"{words} in layers {','.join(map(str, edit.layers))}"


def seed_label(recipe: Recipe) -> str:
    """Such as "seed 3", "seed 3, class boot", "seeds 3, 5" or "seeds 3 (boot), 5 (bag)"."""
    sources = [source for source in recipe.sources if source.seed is not None]
    if not sources:
        return "w"
    classes = [_class(source) for source in sources]
    label = "seeds " if len(sources) > 1 else "seed "
    if len(set(classes)) > 1:
        pairs = zip(sources, classes, strict=True)
        return label + ", ".join(f"{source.seed} ({its or 'no class'})" for source, its in pairs)
    label += ", ".join(str(source.seed) for source in sources)
    return f"{label}, class {classes[0]}" if classes[0] else label


def recipe_lines(recipe: Recipe) -> list[str]:
    """All of it, in lines that begin with what they say: "model", "source", "psi", ..."""
    lines: list[str] = []
    model = recipe.model
    if model is not None:
        lines.append(f"model      {model.name or 'without a name'}, sha256 {model.sha256[:16]}...")
    for i, source in enumerate(recipe.sources):
        where = ""
        if recipe.layer_sources is not None:
            layers = [str(k) for k, taken in enumerate(recipe.layer_sources) if taken == i]
            where = f" in layers {','.join(layers)}"
        lines.append(f"{'source' if i == 0 else '':10s} {_source(source)}{where}")
    psi = " ".join(f"{value:g}" for value in spread_per_layer(recipe.psi, 1))
    cutoff = "" if recipe.cutoff is None else f", cutoff {recipe.cutoff}"
    lines.append(f"psi        {psi}{cutoff}")
    for i, edit in enumerate(recipe.edits):
        what = edit_label(edit)
        kind = "direction" if edit.channels is None else f"{len(edit.channels)} channels"
        lines.append(f"{'edit' if i == 0 else '':10s} {what} ({kind} {edit.fingerprint[:12]})")
    noise = recipe.noise
    for name, value in (("noise", noise.mode), ("strength", noise.strength), ("seed", noise.seed)):
        if name != "seed" or "seeded" in spread_per_layer(noise.mode, 1):
            words = " ".join(
                f"{one:g}" if isinstance(one, float) else str(one)
                for one in spread_per_layer(value, 1)
            )
            lines.append(f"{name if name == 'noise' else '  ' + name:10s} {words}")
    if noise.maps is not None:
        texts = [text for text in noise.maps if text is not None]
        digest = hashlib.sha256("".join(texts).encode()).hexdigest()
        lines.append(f"{'  maps':10s} {len(texts)}, sha256 {digest[:12]}")
    lines.append(f"precision  {recipe.precision}")
    return lines


def describe_rendered_by(by: RenderedBy) -> str:
    """What rendered a picture, in a line."""
    return (
        f"torch {by.torch} on {by.device} ({by.cpu}), {by.threads} threads, "
        f"batches of {by.batch_size}, {by.path}, arithmetic {by.arithmetic}"
    )


def _psi(recipe: Recipe) -> str:
    """Such as "psi 0.7 up to layer 8", or the curve over the layers."""
    if isinstance(recipe.psi, tuple):
        text = "psi by layer " + " ".join(f"{psi:g}" for psi in recipe.psi)
    else:
        text = f"psi {recipe.psi:g}"
    if recipe.cutoff is not None:
        text += f", cutoff {recipe.cutoff}"
    centred = [source for source in recipe.sources if source.centre is not None]
    if not centred:
        return text
    of_class = any(source.class_index is not None for source in centred)
    return text + (" towards a centre of its class" if of_class else " towards the nearest centre")


def _noise(noise: NoiseSettings) -> str:
    """What differs from the model's own noise."""
    modes = tuple(dict.fromkeys(spread_per_layer(noise.mode, 1)))
    seeds = tuple(dict.fromkeys(spread_per_layer(noise.seed, 1)))
    strengths = tuple(dict.fromkeys(spread_per_layer(noise.strength, 1)))
    if modes == ("none",):
        return "no noise"
    words = [] if modes == ("const",) else ["noise", " and ".join(modes)]
    if "seeded" in modes:
        words += ["seed", " and ".join(f"{seed}" for seed in seeds)]
    if strengths != (1.0,):
        words += ["noise strength" if not words else "strength"]
        words += [" and ".join(f"{strength:g}" for strength in strengths)]
    return " ".join(words)


def _source(source: Source) -> str:
    if source.w is not None:
        text = f"a w of {len(source.w)} numbers"
    else:
        text = f"seed {source.seed}"
        text += f", class {_class(source)}" if _class(source) else ""
        if source.class_name not in (None, str(source.class_index)):
            text += f" (number {source.class_index})"
    return text + ("" if source.centre is None else ", truncated towards a centre")


def _class(source: Source) -> str:
    """What a source's class is called; empty without one."""
    if source.class_index is None:
        return ""
    return str(source.class_index) if source.class_name is None else one_line(source.class_name)

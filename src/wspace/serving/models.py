"""The models that programs draw with: open from the start, each by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wspace.errors import WspaceError, shown
from wspace.serving.arguments import LayerGroup, ModelFacts, NamedEdit
from wspace.serving.shelf import OpenModel, Shelf

__all__ = ["facts_of", "named", "open_models"]


def open_models(given: Sequence[str], device: str) -> dict[str, OpenModel]:
    """Open models, in order.

    Args:
        given: bundled names, model files, run folders, names on a hub.
        device: where they are opened.

    Raises:
        WspaceError: there is no such model, it cannot be loaded, or another has its name.
    """
    shelf = Shelf(given, device, with_bundled=False, most_open=len(given))
    found: dict[str, OpenModel] = {}
    for entry in shelf.entries:
        if entry.title in found:
            first = found[entry.title].entry.named
            raise WspaceError(
                f"{first} and {entry.named} are both called {entry.title}: give one of them "
                "another name, or leave it out."
            )
        found[entry.title] = shelf.get(entry.key)
    return found


def named(models: Mapping[str, OpenModel], name: str | None) -> OpenModel:
    """The model of that name; None: the only one.

    Raises:
        WspaceError: there is none, or several.
    """
    known = ", ".join(models)[:200]
    if name is None and len(models) > 1:
        raise WspaceError(f"model is missing: give one of {known}.")
    if name is not None and name not in models:
        raise WspaceError(f"model={shown(name)} is not served here: give one of {known}.")
    return next(iter(models.values())) if name is None else models[name]


def facts_of(name: str, model: OpenModel) -> ModelFacts:
    """What a program has to know of a model."""
    generator = model.generator
    return ModelFacts(
        name=name,
        sha256=model.sha256,
        width=generator.size.width,
        height=generator.size.height,
        channels=generator.image_channels,
        num_ws=generator.num_ws,
        w_dim=generator.w_dim,
        groups=tuple(
            LayerGroup(name=group, layers=tuple(layers))
            for group, layers in model.layers.groups.items()
        ),
        num_classes=generator.num_classes,
        classes=generator.class_names,
        noise_layers=tuple(generator.noise_layers),
        directions=tuple(
            NamedEdit(name=one, about=direction.about, edit=direction.edit)
            for one, direction in model.directions.items()
        ),
        facts=tuple(model.facts),
    )

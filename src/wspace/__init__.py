"""wspace: a StyleGAN to install, train on your own pictures, steer by hand, measure and ship.

The public API is the explicit list below; each name is imported when it is first used, so that
importing wspace is cheap and does nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wspace.errors import WspaceError as WspaceError
    from wspace.formats.model_file import load as load
    from wspace.formats.model_file import save as save
    from wspace.networks.generator import Generator as Generator
    from wspace.recipe.recipe import Recipe as Recipe
    from wspace.recipe.recipe import recipes as recipes
    from wspace.rendering.render import render as render
    from wspace.steering.latents import latents as latents

__version__ = "0.1.0"

_HOMES = {
    "Generator": "wspace.networks.generator",
    "Recipe": "wspace.recipe.recipe",
    "WspaceError": "wspace.errors",
    "latents": "wspace.steering.latents",
    "load": "wspace.formats.model_file",
    "recipes": "wspace.recipe.recipe",
    "render": "wspace.rendering.render",
    "save": "wspace.formats.model_file",
}

__all__ = [
    "Generator",
    "Recipe",
    "WspaceError",
    "latents",
    "load",
    "recipes",
    "render",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wspace' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

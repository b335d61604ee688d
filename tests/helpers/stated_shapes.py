"""Shapes that docstrings state, read and worked out.

A docstring states the shapes of results under "Returns:", or without that section after the last
" to (" of its first paragraph; a property states it anywhere in that. With N = 2, C = 3, H = 4 and
W = 6, ``(N, C, 2H, W / 2)`` is (2, 3, 8, 3).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

# In brackets: at least one comma, and nothing but names, numbers, arithmetic and "or".
_SHAPE = re.compile(r"\(((?:[\w' +*/^\[\]-]|\([\w' +-]*\))+,(?:[\w' +*/^\[\],-]|\([\w' +-]*\))*)\)")


def functions(package: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public functions of a package, and public methods and properties of its public classes.

    Yields:
        Names such as "resample.blur" or "stylegan1.synthesis.AdaINLayer.forward", and what they
        are.
    """
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        place = info.name.removeprefix(f"{package.__name__}.")
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value):
                yield f"{place}.{name}", value
            if inspect.isclass(value):
                for own, method in vars(value).items():
                    is_code = inspect.isfunction(method) or isinstance(method, property)
                    if is_code and not own.startswith("_"):
                        yield f"{place}.{name}.{own}", method


def stated(function: Any) -> list[str]:
    """The shapes of a function's results, as its docstring writes them: "N, C, 2H, W / 2"."""
    text = inspect.getdoc(function) or ""
    if "Returns:" in text:
        text = text.split("Returns:")[1].split("\n\n")[0]
    else:
        text = text.split("\n\n")[0]
        if not isinstance(function, property):
            text = text[text.rindex(" to (") :] if " to (" in text else ""
    return _SHAPE.findall(" ".join(text.split()))


def worked_out(shape: str, sizes: dict[str, Any]) -> tuple[int, ...]:
    """A stated shape in numbers; ``sizes`` says what the names in it stand for, "H'" included."""
    return tuple(_number(part, sizes) for part in shape.split(",") if part.strip())


def _number(expression: str, sizes: dict[str, Any]) -> int:
    names = {name.replace("'", "_"): size for name, size in sizes.items()}
    code = expression.strip().replace("'", "_").replace("/", "//").replace("^", "**")
    code = re.sub(r"\b(\d+) ?(?=[A-Za-z])", r"\1 * ", code)
    return int(eval(code, {"__builtins__": {}}, names))

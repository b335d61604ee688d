"""Whether what is drawn is compiled first: only where that is possible, and pays."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence

from wspace.machine import compiling_pays
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import default_batch_size, even_batch_size, stream
from wspace.rendering.synthesis_cache import RenderPath

__all__ = ["choose_path"]

# Compiling takes 10 to 20 seconds; what is over sooner than this is drawn without.
COMPILE_FROM_SECONDS = 60.0


def choose_path(
    generator: Generator,
    recipes: Sequence[Recipe],
    *,
    count: int | None = None,
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
        recipes: all that are to be drawn, or the first of them.
        count: how many they are in all; None: these.
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
    count = len(recipes) if count is None else count
    size = most if exact_batch else even_batch_size(max(count, 1), most)

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
        batches = count / size
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

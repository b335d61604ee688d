"""What waits to be drawn: pictures of several requests go through the networks together.

One thread draws. Each request gets its pictures in turn, so that one of many holds up no other.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING

from wspace.recipe.recipe import Recipe
from wspace.serving.shelf import OpenModel

if TYPE_CHECKING:
    from wspace.rendering.pictures import Pictures

__all__ = ["Drawing", "Drawn", "EndedError", "FullError", "Order"]

MOST_PIXELS = 2**26  # of all pictures that wait, or whose answers are not taken yet
MOST_BYTES = 2**28  # of their recipes
LONGEST_RETRY = 60  # seconds
END_SECONDS = 5.0  # that what is drawn now gets to come to an end

Drawn = tuple["Pictures", int]  # pictures that were drawn together, and which of them it is


class FullError(Exception):
    """Too much waits already.

    Attributes:
        seconds: after which there is room, about.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class EndedError(Exception):
    """Nothing is drawn any more."""


class Order:
    """What one request asks for.

    Attributes:
        model: that draws.
        recipes: of the pictures.
        answer: the pictures, in order; cancelled where nobody waits for them any more.
    """

    def __init__(self, model: OpenModel, recipes: Sequence[Recipe], size: int) -> None:
        self.model, self.recipes, self.size = model, recipes, size
        self.answer: Future[list[Drawn]] = Future()
        self.begun = 0  # pictures; from here on, others are drawn or wait
        self._drawn: dict[int, Drawn] = {}

    @property
    def has_more(self) -> bool:
        """Whether something of it is to be begun."""
        return self.begun < len(self.recipes) and not self.answer.done()

    @property
    def pixels(self) -> int:
        """Of all its pictures."""
        return len(self.recipes) * self.model.generator.size.area

    def take(self, number: int, drawn: Drawn) -> None:
        """A picture is there."""
        self._drawn[number] = drawn
        if len(self._drawn) == len(self.recipes):
            with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
                self.answer.set_result([self._drawn[k] for k in range(len(self.recipes))])

    def fail(self, error: BaseException) -> None:
        """There will be no pictures."""
        with contextlib.suppress(InvalidStateError):
            self.answer.set_exception(error)


_Batch = list[tuple[Order, int]]


class Drawing:
    """Draws what was asked for, while there is room for it to wait.

    Attributes:
        most_waiting: pictures that may wait, or whose answers are not taken yet.
    """

    def __init__(
        self,
        most_waiting: int,
        *,
        batch_size: int | None = None,
        watch: Callable[[int, float], None] = lambda pictures, seconds: None,
    ) -> None:
        """Begin to wait for something to draw.

        Args:
            most_waiting: see the attributes.
            batch_size: the most pictures to draw at once; None chooses by resolution.
            watch: told how many were drawn together, and in how many seconds.
        """
        self.most_waiting = most_waiting
        self._batch_size, self._watch = batch_size, watch
        self._condition = threading.Condition()
        self._orders: list[Order] = []  # what has something to be begun, in its turn
        self._held: set[Order] = set()  # what was taken on and is not answered
        self._seconds_each = 0.0  # of the pictures drawn last
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="wspace-drawing", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that wait, or whose answers are not taken yet."""
        with self._condition:
            return self._count()

    @property
    def is_well(self) -> bool:
        """Whether it draws what it is asked for."""
        return self._thread.is_alive() and not self._ended

    def add(self, model: OpenModel, recipes: Sequence[Recipe], *, size: int = 0) -> Order:
        """Have pictures drawn; they hold their places until `leave`.

        Args:
            model: that draws.
            recipes: at most `most_waiting`.
            size: bytes that the recipes hold, about.

        Raises:
            FullError: there is no room.
            EndedError: it has ended.
        """
        order = Order(model, recipes, size)
        with self._condition:
            if not self.is_well:
                raise EndedError
            full = self._count() + len(recipes) > self.most_waiting
            full |= sum(one.pixels for one in self._held) + order.pixels > MOST_PIXELS
            full |= sum(one.size for one in self._held) + size > MOST_BYTES
            if full and self._held:
                raise FullError(self._retry_seconds())
            self._held.add(order)
            self._orders.append(order)
            self._condition.notify_all()
        return order

    def leave(self, order: Order) -> None:
        """An order is answered, or nobody waits for it any more."""
        order.answer.cancel()
        with self._condition:
            self._held.discard(order)

    def end(self) -> None:
        """Draw what waits, and then nothing more."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        self._thread.join(END_SECONDS)

    def _count(self) -> int:
        return sum(len(one.recipes) for one in self._held)

    def _retry_seconds(self) -> int:
        """When what waits now will be drawn, about."""
        seconds = math.ceil(self._count() * self._seconds_each)
        return min(max(seconds, 1), LONGEST_RETRY)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (batch := self._next()):
                    if self._ended:
                        return
                    self._condition.wait()
            started = time.monotonic()
            self._draw(batch)
            seconds = time.monotonic() - started
            self._seconds_each += 0.2 * (seconds / len(batch) - self._seconds_each)
            self._watch(len(batch), seconds)

    def _next(self) -> _Batch:
        """Pictures of one model: of each order that waits one in turn."""
        self._orders = [order for order in self._orders if order.has_more]
        if not self._orders:
            return []
        model = self._orders[0].model
        most = self._most_together(model)
        batch: _Batch = []
        able = [order for order in self._orders if order.model is model]
        while able and len(batch) < most:
            for order in able[: most - len(batch)]:
                batch.append((order, order.begun))
                order.begun += 1
            able = [order for order in able if order.has_more]
        served = {order for order, _ in batch}
        # Those that had a turn go behind those that had none.
        self._orders.sort(key=lambda order: order in served)
        return batch

    def _most_together(self, model: OpenModel) -> int:
        from wspace.rendering.render import default_batch_size

        return self._batch_size or default_batch_size(model.generator)

    def _draw(self, batch: _Batch) -> None:
        """Draw pictures together; where one of them cannot be, each order's by themselves."""
        orders = list(dict.fromkeys(order for order, _ in batch))
        try:
            self._render(batch)
        except Exception as error:  # a bug costs an answer, not the server
            if len(orders) == 1:
                orders[0].fail(error)
                return
            for order in orders:
                self._draw([one for one in batch if one[0] is order])

    def _render(self, batch: _Batch) -> None:
        from wspace.rendering.render import render

        generator = batch[0][0].model.generator
        recipes = [order.recipes[number] for order, number in batch]
        pictures = render(generator, recipes, batch_size=len(recipes))
        for place, (order, number) in enumerate(batch):
            order.take(number, (pictures, place))

"""What Prometheus is told: requests, pictures, how long they took, and the process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts what happens."""

    media = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = self._registry = CollectorRegistry()
        self._requests = Counter(
            "wspace_requests", "Requests answered.", ["operation", "status"], registry=own
        )
        self._seconds = Histogram(
            "wspace_request_seconds",
            "From the head of a request to the end of its answer.",
            ["operation"],
            buckets=_SECONDS,
            registry=own,
        )
        self._pictures = Counter(
            "wspace_pictures", "Pictures sent.", ["model", "format"], registry=own
        )
        self._drawing = Counter(
            "wspace_drawing_seconds", "Time that drawing took, all in all.", registry=own
        )
        self._together = Histogram(
            "wspace_drawn_together",
            "Pictures that went through the networks at once.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=own,
        )
        ProcessCollector(registry=own)

    def show_waiting(self, waiting: Callable[[], int], most: int) -> None:
        """Have it told how many pictures wait, and how many may."""
        gauge = Gauge("wspace_waiting_pictures", "Pictures that wait.", registry=self._registry)
        gauge.set_function(waiting)
        limit = Gauge(
            "wspace_most_waiting_pictures", "Pictures that may wait.", registry=self._registry
        )
        limit.set(most)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count a request; ``operation``: one of few names."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def sent(self, model: str, kind: str, count: int) -> None:
        """Count pictures of a model that were sent as "png" or "webp"."""
        self._pictures.labels(model, kind).inc(count)

    def drawn(self, count: int, seconds: float) -> None:
        """Count pictures that were drawn together."""
        self._together.observe(count)
        self._drawing.inc(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)

"""Counting and timing."""

from __future__ import annotations

import mmap
import time

import pytest
import torch
import torch.nn.functional as F

from wspace.bench.timing import PeakMemory, Timing, gflop_of, time_calls

CPU = torch.device("cpu")


def test_a_convolution_and_a_matrix_product_count_two_for_each_product() -> None:
    x, weight = torch.ones(2, 3, 8, 8), torch.ones(5, 3, 3, 3)
    assert gflop_of(lambda: F.conv2d(x, weight, padding=1)) == 2 * 2 * 8 * 8 * 5 * 3 * 9 / 1e9
    a, b = torch.ones(4, 6), torch.ones(6, 7)
    assert gflop_of(lambda: a @ b) == 2 * 4 * 6 * 7 / 1e9


def test_double_backward_is_counted() -> None:
    weight = torch.ones(3, 3, 3, 3)

    def first_order() -> torch.Tensor:
        x = torch.ones(1, 3, 4, 4, requires_grad=True)
        y = F.conv2d(x, weight, padding=1).square().sum()
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
        return gradient.square().sum()

    assert gflop_of(lambda: first_order().backward()) > gflop_of(first_order) > 0


def test_percentiles_are_calls_that_happened() -> None:
    timing = Timing(wall=(0.4, 0.1, 0.3, 0.2), cpu=(0.05, 0.06, 0.07, 0.08))
    assert timing.best == 0.1
    assert timing.best_cpu == 0.05
    assert timing.percentile(50) == 0.2
    assert timing.percentile(95) == 0.4
    assert timing.percentile(0) == 0.1


def test_calls_are_timed_at_least_and_at_most_so_often() -> None:
    calls = []
    timing = time_calls(lambda: calls.append(0), CPU, seconds=0.0, least=3, warm_up=2)
    assert len(timing.wall) == len(timing.cpu) == 3
    assert len(calls) == 5
    assert len(time_calls(lambda: None, CPU, seconds=10.0, most=7).wall) == 7


def test_wall_seconds_are_those_that_passed() -> None:
    timing = time_calls(lambda: time.sleep(0.02), CPU, seconds=0.0, least=2, warm_up=0)
    assert min(timing.wall) >= 0.02
    assert max(timing.cpu) < 0.02


def test_peak_memory_sees_what_was_freed_again() -> None:
    memory = PeakMemory(CPU)
    before = memory.gib()
    with mmap.mmap(-1, 2**28) as block:  # a quarter of a GiB, of the system's, not of the heap's
        piece = b"x" * 2**20
        for _ in range(2**8):
            block.write(piece)
    assert memory.gib() - before == pytest.approx(0.25, abs=0.1)

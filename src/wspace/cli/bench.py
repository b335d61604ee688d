"""``wspace bench``: how fast this machine is with a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wspace.sizes import read_size, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wspace.bench.report import BenchReport
    from wspace.bench.scaling import Prediction
    from wspace.bench.scaling_here import ScalingReport

__all__ = ["bench_command", "scaling_table"]


@click.command("bench")
@click.argument("model", required=False)
@click.option("--preset", help="Measure this preset with random weights instead of a model.")
@click.option("--resolution", default="64", show_default=True, help="Of the preset: WIDTHxHEIGHT.")
@click.option("--quick", is_flag=True, help="Shorter measurements, no training.")
@click.option("--full", is_flag=True, help="bf16 even where it is slow here.")
@click.option("--compile", "compiled", is_flag=True, help="Compiled, too: minutes.")
@click.option("--train-batch", type=int, default=16, show_default=True, help="Images a step.")
@click.option(
    "--scaling",
    is_flag=True,
    help="Measure a training step and predict it on several machines like this one.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def bench_command(
    model: str | None,
    preset: str | None,
    resolution: str,
    quick: bool,
    full: bool,
    compiled: bool,
    train_batch: int,
    scaling: bool,
    device: str,
    as_json: bool,
) -> None:
    """Measure how fast MODEL generates and trains here, beside plain convolutions.

    MODEL is a bundled name, a file or a run folder; without it the bundled avatars are measured,
    or the compact preset. Operations a second are counted by the network's plain definition.
    """
    if scaling and (compiled or full):
        raise click.UsageError(
            "--scaling measures one plain training step: leave out --compile and --full."
        )
    from wspace.bench.report import BenchConfig, bench

    config = BenchConfig(
        model=model,
        preset=preset,
        resolution=read_size(resolution).resolution,
        train_batch=train_batch,
        quick=quick,
        all_precisions=full,
        compile=compiled,
        device=device,
    )

    def say(line: str) -> None:
        click.echo(f"measuring {line}", err=True)

    if scaling:
        from wspace.bench.scaling_here import measure_scaling

        predicted = measure_scaling(config, say)
        click.echo(json.dumps(predicted.to_dict()) if as_json else scaling_table(predicted))
        return
    report = bench(config, say)
    click.echo(json.dumps(report.to_dict()) if as_json else _table(report))


def scaling_table(report: ScalingReport) -> str:
    """What was measured and predicted, for people to read."""
    from wspace.bench.scaling_here import LEAST_BATCH

    machine, costs, reducing = report.machine, report.costs, report.reducing
    step, reduced = costs.step, sum(costs.reduced_bytes)
    alone = report.batch / report.steps[report.batch]
    lines = [
        f"this machine: {machine['cpu']} ({machine['capability']}), {machine['threads']} threads, "
        f"torch {machine['torch']}, {machine['device']}",
        f"{report.model}: a training step takes {step.flop / costs.batch / 1e9:.2f} GFLOP and "
        f"{step.bytes / costs.batch / 1e9:.3f} GB read and written a picture; its gradients, "
        f"{reduced / 1e6:.1f} MB, go from machine to machine",
        *(
            f"measured: a step of {batch} pictures takes {seconds:.3f} s in {report.precision}, "
            f"{batch / seconds:.2f} pictures/s"
            for batch, seconds in report.steps.items()
        ),
        f"measured: {reducing.workers} processes on it add up {reducing.large_bytes / 1e6:.1f} MB "
        f"in {reducing.large_seconds:.3f} s, as over {reducing.bits / 1e9:.2f} Gbit/s, and one "
        f"number in {reducing.small_seconds * 1e3:.2f} ms",
        "",
        "predicted for machines like this one, joined by a network of so many bits a second: "
        "pictures/s, and",
        f"share of time in which they work instead of waiting for gradients, {report.batch} "
        "pictures for each",
        *_links(report.each, lambda prediction: prediction.busy_share),
    ]
    if any(report.split.values()):
        lines += [
            "",
            "pictures/s, and speed as a share of one machine's times their number, "
            f"{report.batch} pictures for all of them together",
            f"(one machine: {alone:.2f} pictures/s; none takes fewer than {LEAST_BATCH} pictures)",
            *_links(report.split, lambda prediction: prediction.efficiency),
        ]
    return "\n".join([*lines, "", "docs/scaling.md says how, and what other machines would do"])


def _links(
    predictions: dict[str, list[Prediction]], share: Callable[[Prediction], float]
) -> list[str]:
    """A row for each number of machines, a column for each link."""
    rows: Sequence[Sequence[Prediction]] = list(zip(*predictions.values(), strict=True))
    return [
        "machines" + "".join(f"{name:>16}" for name in predictions),
        *(
            f"{row[0].workers:8}"
            + "".join(f"{p.pictures_per_second:10.2f}{share(p):6.0%}" for p in row)
            for row in rows
        ),
    ]


def _table(report: BenchReport) -> str:
    machine, model = report.machine, report.model
    lines = [
        f"{machine['cpu']} ({machine['capability']}), {machine['threads']} threads, "
        f"torch {machine['torch']}, {machine['device']}",
        f"{model['name']}: {model['architecture']}, {size_of(model['resolution'])}, "
        f"{model['parameters'] / 1e6:.1f} million parameters, "
        f"{model['gflop_per_picture']:.2f} GFLOP a picture",
        f"first picture of a fresh process: {report.first_picture_seconds:.2f} s",
        "",
        "plain operations          precision   GFLOP/s",
    ]
    lines += [f"{p.operation:24}  {p.precision:9} {p.gflops:9.0f}" for p in report.peaks]
    lines += [
        "",
        "generation                pictures/s    p50 ms    p95 ms   GFLOP/s   of peak   memory GiB",
    ]
    for s in report.generation:
        lines.append(
            f"{s.precision} batch {s.batch:<4} {s.path:8} {s.pictures_per_second:13.2f} "
            f"{s.p50_seconds * 1000:9.1f} {s.p95_seconds * 1000:9.1f} {s.gflops:9.1f} "
            f"{report.share_of_peak(s):9.0%} {s.peak_memory_gib:12.2f}"
        )
    for t in report.training:
        lines += [
            "",
            f"training {t.precision}, {t.path}, batch {t.batch}: {t.pictures_per_second:.2f} "
            f"pictures/s, {t.gflops:.0f} GFLOP/s ({report.share_of_peak(t):.0%} of peak), "
            f"{t.peak_memory_gib:.2f} GiB",
        ]
        lines += [f"  {name:26} {s * 1000:9.1f} ms" for name, s in t.section_seconds.items()]
    lines += ["", *(f"not measured: {line}" for line in report.skipped)]
    return "\n".join(lines)

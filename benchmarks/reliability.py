"""Injects faults and counts what survives: makes the table of docs/reliability.md.

    python benchmarks/reliability.py                       the short form, a few minutes
    python benchmarks/reliability.py --campaign --write    the long one, into the docs

Each line names what was done, how often, and what went wrong; all of the latter should be 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
os.environ["OMP_NUM_THREADS"] = "1"
sys.path[:0] = [str(ROOT / "tests" / "helpers")]
inherited = os.environ.get("PYTHONPATH", "")
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], inherited])  # of those to be killed

import torch  # noqa: E402
from killing import kill_at_operations, kill_at_random  # noqa: E402
from mutations import RandomChoices  # noqa: E402
from parsers import PARSERS, check_survives  # noqa: E402
from tiny_run import (  # noqa: E402
    BATCH,
    differences_of_runs,
    make_config,
    make_data,
    make_model,
)

from wspace.training import loop  # noqa: E402

MARKERS = ("<!-- figures: made by benchmarks/reliability.py -->", "<!-- end of figures -->")
PARTS = ("kills", "operations", "resumes", "compiled", "faults", "fuzz")
RESULTS = Path(__file__).with_suffix(".json")


class Killed(BaseException):
    """Ends a run within this process, nothing saved on the way out."""


def main() -> None:
    """Run what was asked for, print the table, keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", action="store_true", help="200 kills, 100,000 inputs each")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--parser", choices=list(PARSERS), help="fuzz this one alone")
    parser.add_argument("--inputs", type=int, help="inputs for each parser")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--write", action="store_true", help="put the figures into the docs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(fuzz(options.worker, options.inputs)))
        return
    number = options.kills or (200 if options.campaign else 12)
    inputs = options.inputs or (100_000 if options.campaign else 500)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "kills": lambda: kills(number),
        "operations": operations,
        "resumes": lambda: compare_resumes(EAGER, 10 if options.campaign else 2),
        "faults": other_faults,
    }
    if options.campaign:
        parts["compiled"] = lambda: compare_resumes(COMPILED, 3)
    for name in [options.parser] if options.parser else list(PARSERS):
        parts[f"fuzz: {name}"] = lambda name=name: fuzz_apart(name, inputs)
    if options.only or options.parser:
        parts = {k: v for k, v in parts.items() if k.startswith(options.only or "fuzz")}
    torch.set_num_threads(1)
    results: dict[str, dict[str, Any]] = {}
    for name, part in parts.items():
        start = time.monotonic()
        results[name] = part() | {"when": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
        print(name, results[name], f"{time.monotonic() - start:.0f} s", flush=True)
        if options.write:
            keep({name: results[name]})
    if not options.write:
        print(table(results))
    failures = sum(result["failures"] for result in results.values())
    sys.exit(1 if failures else 0)


def kills(number: int) -> dict[str, Any]:
    """Kill -9 at random moments, over several short runs."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        return judged(kill_at_random(Path(folder), number, steps=40))


def operations() -> dict[str, Any]:
    """Death before the first, second, third ... file operation."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        return judged(kill_at_operations(Path(folder), range(1, 10_000)))


def judged(count: Counter[str]) -> dict[str, Any]:
    """Counts, and the sum of those that should be 0."""
    wrong = ("did not resume", "checkpoints lost", "torn", "differ")
    return {**count, "failures": sum(count[name] for name in wrong)}


EAGER: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "two threads": {"threads": 2},
    "classes and path length": {"labels": True, "path_length_weight": 2.0},
}
COMPILED: dict[str, dict[str, Any]] = {
    "compiled, fp32": {"compile": "on"},
    "compiled, bf16": {"compile": "on", "precision": "bf16"},
}


def compare_resumes(modes: dict[str, dict[str, Any]], runs: int) -> dict[str, Any]:
    """Runs killed and resumed twice at random steps, within this process, in several settings."""
    moments = random.Random(0)
    count: Counter[str] = Counter()
    for name, mode in modes.items():
        changes = dict(mode)
        torch.set_num_threads(changes.pop("threads", 1))
        with tempfile.TemporaryDirectory(dir=memory_folder()) as temporary:
            folder = Path(temporary)
            if changes.get("labels"):
                make_labelled(folder)
            config = make_config(folder, steps=30, checkpoint_kimg=3 * BATCH / 1000, **changes)
            straight = finished(loop.start(config, folder / "straight"))
            for i in range(runs):
                out = folder / str(i)
                kill_in_process(partial(loop.start, config, out), moments)
                (run,) = out.iterdir()
                kill_in_process(partial(loop.resume, run), moments)
                finished(loop.resume(run))
                count["compared"] += 1
                count[f"compared: {name}"] += 1
                count["differ"] += differences_of_runs(straight, run) != []
    torch.set_num_threads(1)
    return {**count, "failures": count["differ"]}


def finished(outcome: loop.Outcome) -> Path:
    """The run, unless a signal meant for this program has ended it."""
    if outcome.reason != "done":
        sys.exit(f"{outcome.reason}: nothing was kept of this part")
    return outcome.run


def make_labelled(folder: Path) -> None:
    """Data with two classes, and a class-conditional network of the second generation."""
    make_data(folder / "data")
    labels = {"labels": [[f"{i:02}.png", i % 2] for i in range(10)]}
    (folder / "data" / "dataset.json").write_text(json.dumps(labels))
    make_model(folder / "start.safetensors", "demodulated", num_classes=2)


def kill_in_process(go: Callable[[Callable[[loop.Progress], None]], object], moments: Any) -> None:
    """Let a run go for a random number of steps, then end it with nothing saved."""
    left = moments.randint(1, 14)

    def report(progress: loop.Progress) -> None:
        nonlocal left
        left -= progress.last is not None
        if left == 0:
            raise Killed

    try:
        go(report)
    except Killed:
        return
    raise AssertionError("the run was over before it could be killed")


def other_faults() -> dict[str, Any]:
    """The faults that tests/training/test_faults.py injects, each once."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/training/test_faults.py"]
    command += ["-p", "no:cacheprovider", "--timeout=1200"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = result.stdout.strip().splitlines()[-1]
    counts = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", last)
    }
    failed = counts.get("failed", 0) + (result.returncode not in (0, 1))
    return {"injected": counts.get("passed", 0) + failed, **counts, "failures": failed}


def fuzz_apart(name: str, inputs: int) -> dict[str, Any]:
    """Fuzz a parser in a process of its own, which a crash may take down."""
    command = [sys.executable, __file__, "--worker", name, "--inputs", str(inputs)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        return {"inputs": inputs, "failures": 1, "crash": f"exit status {result.returncode}"}
    return dict(json.loads(result.stdout.splitlines()[-1]))


def fuzz(name: str, inputs: int) -> dict[str, Any]:
    """Give a parser damaged and hostile inputs; it reads them or refuses them in one line."""
    warnings.simplefilter("error")
    parser = PARSERS[name]
    count: Counter[str] = Counter()
    crashes: dict[str, str] = {}
    slowest = 0.0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(dir=memory_folder()) as temporary:
        folder = Path(temporary)
        make = parser.make(folder)
        for number in range(inputs):
            value = make(RandomChoices(number))
            start = time.process_time()
            try:
                count["read" if check_survives(parser, value, folder) else "refused"] += 1
            except Exception as error:
                count["crashes"] += 1
                frame = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
                crashes.setdefault(where, f"input {number}: {error!s:.200} <- {value!r:.300}")
            slowest = max(slowest, time.process_time() - start)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) // 1024
    return {
        "inputs": count["read"] + count["refused"] + count["crashes"],
        "read": count["read"],
        "refused": count["refused"],
        "slowest_seconds": round(slowest, 2),
        "memory_grown_mb": grown,
        "failures": count["crashes"],
        **({"crashes": crashes} if crashes else {}),
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| what was done | how often | what went wrong |", "| --- | --- | --- |"]
    for name, r in results.items():
        if name == "kills":
            lines.append(
                f"| kill -9 at random moments, over {r['runs']} runs | {r['killed']} "
                f"({r.get('while writing a checkpoint', 0)} in the writing of a checkpoint) | "
                f"{r.get('did not resume', 0)} not resumed, {r.get('checkpoints lost', 0)} whole "
                f"checkpoints lost, {r.get('differ', 0)} of {r['compared']} runs differ in a bit |"
            )
        elif name == "operations":
            lines.append(
                "| death before the first, second, third, ... file operation of a run | "
                f"{r['killed']} | {r.get('torn', 0)} torn checkpoints, {r.get('differ', 0)} of "
                f"{r['compared']} runs differ in a bit |"
            )
        elif name in ("resumes", "compiled"):
            modes = [k.removeprefix("compared: ") for k in r if k.startswith("compared: ")]
            lines.append(
                f"| runs killed and resumed twice at random steps ({'; '.join(modes)}) | "
                f"{r['compared']} | {r.get('differ', 0)} differ in a bit |"
            )
        elif name == "faults":
            lines.append(
                "| signals, full disks, files that may not grow, read-only folders, two processes, "
                f"changed data, NaN | {r['injected']} | {r['failures']} not survived |"
            )
        else:
            lines.append(
                f"| {name} | {r['inputs']:,} inputs, {r.get('read', 0):,} of them read | "
                f"{r['failures']} crashes, slowest {r.get('slowest_seconds', 0)} s |"
            )
    seen = sorted({f"{r['machine']}, {r['when']}" for r in results.values()})
    return "\n".join(lines) + f"\n\nMeasured on {'; '.join(seen)}.\n"


def keep(results: dict[str, dict[str, Any]]) -> None:
    """Add figures to those of earlier runs, and put all between the markers in the docs."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known |= results
    order = [*PARTS[:-1], *(f"fuzz: {name}" for name in PARSERS)]
    known = {name: known[name] for name in order if name in known}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    path = ROOT / "docs" / "reliability.md"
    before, _, rest = path.read_text().partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    path.write_text(f"{before}{MARKERS[0]}\n\n{table(known)}\n{MARKERS[1]}{after}")


def memory_folder() -> str | None:
    """A folder in memory, where there is one: only the processes are killed, not the machine."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def machine() -> str:
    """In a few words."""
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, Python {python}, torch {torch.__version__}"


if __name__ == "__main__":
    main()

"""RUN/report.html: a run on one page that needs nothing else, made of the run folder's files."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from wspace.errors import WspaceError
from wspace.figures.curves import Curve, chart
from wspace.figures.page import page
from wspace.files import atomic_write_text
from wspace.formats.model_file import read_metadata
from wspace.sizes import size_of
from wspace.training.config import TrainConfig, options, values_by_name
from wspace.training.run.command import COMMAND_FILE, command_of
from wspace.training.run.folder import read_config
from wspace.training.run.history import History, RunChart, read_history

__all__ = ["write_report"]

MOST_SHEETS = 6  # sample sheets through time
WIDEST = 1400  # pixels of an embedded picture
HEAVY_BYTES = 300_000  # a PNG above that is embedded with loss
MOST_MESSAGES = 50

_COLOURS = {1: "grey", 3: "colour", 4: "colour with alpha"}  # by channels


def write_report(run: Path) -> None:
    """Write RUN/report.html from the configuration, the log and the sheets that lie there.

    Raises:
        WspaceError: it cannot be written, or the run folder cannot be read.
    """
    saved = read_config(run)
    saved.pop("fingerprint", None)
    config = TrainConfig.from_dict(saved)
    log = read_history(run)
    parts = [
        _head(run, log),
        _section("Command", _command(run, config)),
        _section("Quality", _quality(log)),
        _section("Curves", _curves(log)),
        _section("Samples through time", _samples(run)),
        _section("Real and generated", _real_and_generated(run)),
        _section("Styles and noise", _figures(run)),
        _section("What the run said", _messages(log)),
        _section("Configuration", _configuration(config)),
    ]
    atomic_write_text(run / "report.html", page(run.resolve().name, parts))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _head(run: Path, log: History) -> str:
    facts = []
    everything = log.records + log.measures
    if everything:
        newest = max(everything, key=lambda one: one["step"])
        facts += [f"{newest['kimg']:.1f} kimg in {_time(newest['hours'])}"]
    try:
        model = read_metadata(run)
    except WspaceError:
        model = {}
    made, network = model.get("metadata", {}), model.get("generator", {})
    if "pictures" in made:
        facts.append(f"{made['pictures']:,} pictures of {made.get('trained_on')}")
    if "resolution" in network:
        size, channels = size_of(network["resolution"]), network.get("image_channels", 3)
        facts.append(f"{size} pixels, {_COLOURS.get(channels)}")
    if network.get("num_classes"):
        facts.append(f"{network['num_classes']} classes")
    facts += [str(made[name]) for name in ("licence", "attribution") if made.get(name)]
    line = html.escape("; ".join(facts))
    return f'<header><h1>{html.escape(run.resolve().name)}</h1><p class="quiet">{line}</p></header>'


def _command(run: Path, config: TrainConfig) -> str:
    try:
        command = (run / COMMAND_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        command = command_of(config)
    return f"<pre>{html.escape(command)}</pre>"


def _quality(log: History) -> str:
    if not log.measures:
        return ""
    points = [(one["kimg"], one["fd_quick"]) for one in log.measures]
    drawn = chart(
        [Curve(name="FD (quick)", points=points, dots=True)],
        about="FD (quick) over thousands of images",
        end=log.kimg,
        below=lambda kimg: _time(log.hours_at(kimg)),
    )
    real = log.measures[-1].get("fd_quick_real")
    best = min(log.measures, key=lambda one: one["fd_quick"])
    rows = "".join(
        f"<tr><td>{one['kimg']:.1f}</td><td>{_time(one['hours'])}</td><td>{one['fd_quick']:.2f}"
        f"{' <b>best: model.safetensors</b>' if one is best else ''}</td></tr>"
        for one in log.measures
    )
    return (
        f'<div class="grid"><figure class="card">{drawn}<figcaption>Under the marks: kimg, and '
        "the time until then.</figcaption></figure>"
        '<div class="card"><p>FD (quick) is the Frechet distance of few generated pictures, seen '
        "small, from pictures of the data: lower is better. It compares the models of one run; it "
        "is no FD (lite), which <code>wspace measure</code> gives."
        + ("" if real is None else f" Real pictures have {real:.0f} from others of the data.")
        + "</p>"
        '<table class="numbers"><tr><th>kimg</th><th>time</th><th>FD (quick)</th></tr>'
        f"{rows}</table></div></div>"
    )


def _curves(log: History) -> str:
    drawn = "".join(_chart(log, about) for about in log.charts)
    return (
        f'<p class="quiet">Under the marks: kimg, and the time until then.</p>'
        f'<div class="grid">{drawn}</div>'
        if drawn
        else ""
    )


def _chart(log: History, of: RunChart) -> str:
    percent: Callable[[float], str] = "{:.0%}".format
    drawn = chart(
        of.curves,
        about=f"{of.about} over thousands of images",
        end=log.kimg,
        below=lambda kimg: _time(log.hours_at(kimg)),
        high=of.high,
        y_text="{:g}".format if of.high is None else percent,
    )
    return f'<figure class="card"><h3>{of.title}</h3>{drawn}</figure>'


def _samples(run: Path) -> str:
    sheets = sorted(run.glob("samples-*.png"))
    count = min(MOST_SHEETS, len(sheets))
    last = len(sheets) - 1
    chosen = [sheets[round(i * last / max(count - 1, 1))] for i in range(count)]
    if count == 1:
        chosen = sheets[-1:]
    shown = []
    for path in chosen:
        kimg = f"{int(path.stem.removeprefix('samples-'))} kimg"
        shown.append(_picture(path, kimg, f"Generated pictures of the same seeds at {kimg}"))
    return f'<div class="grid">{"".join(shown)}</div>' if shown else ""


def _real_and_generated(run: Path) -> str:
    sheets = sorted(run.glob("samples-*.png"))
    shown = [
        _picture(path, caption, alt)
        for path, caption, alt in (
            (
                run / "neighbours.png",
                "Generated pictures beside the nearest of the data that FD (quick) sees: first "
                "those that lie closest, which tell whether the model repeats its data, then "
                "others.",
                "Rows of a generated picture and the real pictures nearest to it",
            ),
            (run / "real.png", "Pictures of the data, chosen by chance.", "Real pictures"),
            (sheets[-1] if sheets else run, "The newest generated pictures.", "Generated pictures"),
        )
    ]
    drawn = "".join(shown)
    return f'<div class="grid">{drawn}</div>' if drawn else ""


def _figures(run: Path) -> str:
    drawn = _picture(
        run / "mixing.png",
        "Mixed styles: some layers from the picture at the top, the rest from the left.",
        "Grid of pictures that mix the styles of the first row and the first column",
    )
    drawn += _picture(
        run / "noise.png",
        "One w under different noise, and where the pictures differ.",
        "One picture under several noises, and a map of where they differ",
    )
    wide = drawn.replace('class="card"', 'class="card wide"')
    wide = wide.replace("<img", '<div class="scroll" tabindex="0"><img')
    wide = wide.replace("<figcaption", "</div><figcaption")
    return f'<div class="grid">{wide}</div>' if drawn else ""


def _picture(path: Path, caption: str, alt: str) -> str:
    """A figure with the picture in it; empty where there is none."""
    try:
        content, kind = path.read_bytes(), "png"
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            if len(content) > HEAVY_BYTES or width > WIDEST:
                small = image.convert("RGB")
                small.thumbnail((WIDEST, 10 * WIDEST))
                width, height = small.size
                held = io.BytesIO()
                small.save(held, "webp", quality=88)
                content, kind = held.getvalue(), "webp"
    except (OSError, Image.DecompressionBombError):
        return ""
    data = base64.b64encode(content).decode()
    return (
        f'<figure class="card"><img width="{width}" height="{height}" alt="{html.escape(alt)}" '
        f'src="data:image/{kind};base64,{data}"><figcaption>{html.escape(caption)}</figcaption>'
        "</figure>"
    )


def _messages(log: History) -> str:
    rows = "".join(
        f"<tr><td>{one['step']}</td><td>{html.escape(str(one.get('event', '')))}</td>"
        f"<td>{html.escape(str(one['message']))}</td></tr>"
        for one in log.messages[-MOST_MESSAGES:]
    )
    head = "<tr><th>step</th><th>kind</th><th>message</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


def _configuration(config: TrainConfig) -> str:
    known = options()
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(str(value))} "
        f'{html.escape(known[name].unit)}<div class="quiet">{html.escape(known[name].meaning)}'
        "</div></td></tr>"
        for name, value in values_by_name(config).items()
    )
    return f"<details><summary>All options of this run</summary><table>{rows}</table></details>"


def _time(hours: float) -> str:
    """Such as "50 s", "16 min" or "4.3 h"."""
    seconds = hours * 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{hours:.1f} h"

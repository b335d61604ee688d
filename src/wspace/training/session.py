"""What a training run holds while it runs, and how that is saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from wspace.data.dataset import Dataset
from wspace.data.order import ShuffledOrder
from wspace.errors import WspaceError, reason
from wspace.formats.model_file import load, save
from wspace.group import ALONE, Group, LostRankError
from wspace.images import BACKGROUNDS, from_uint8
from wspace.machine import cpu_capability
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import GeneratorConfig, discriminator_config
from wspace.networks.generator import Generator
from wspace.networks.projected import ProjectedDiscriminator
from wspace.recipe.png import write_figure
from wspace.training.agreement import check_alike, check_shares, check_tensors
from wspace.training.config import TrainConfig, values_by_name
from wspace.training.context import StepResult
from wspace.training.growing import real_images
from wspace.training.real_maps import RealMaps, real_maps
from wspace.training.run.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from wspace.training.run.clock import Clock, Progress
from wspace.training.run.folder import Log
from wspace.training.run.health import HealthMonitor, picture_diversity
from wspace.training.run.quality import Quality
from wspace.training.run.report import write_report
from wspace.training.run.samples import save_figures, save_real, save_samples
from wspace.training.run.tensorboard import Scalars
from wspace.training.state import TrainingState

__all__ = ["Report", "Session", "newest_state", "saved_networks"]

# The model that the run folder stands for: the best one, or the newest where nothing is measured.
BEST_FILE, NEWEST_FILE = "model.safetensors", "model-newest.safetensors"
DIVERSITY_INTERVAL_IMAGES = 1000  # so that a collapse is noticed within twice as many

Report = Callable[[Progress], None]


class Session:
    """One run in progress: its state, its place in the data, its health, its clock and its log.

    In a group of processes each has one, and all are in the same state; the first one alone writes
    and tells.

    Args:
        config: what to train, nothing in it "auto".
        data: the pictures.
        run: the run folder, locked by the caller.
        networks: generator and discriminator, changed in place.
        report: told of messages.
        group: the processes that train together.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        run: Path,
        networks: tuple[Generator, nn.Module],
        report: Report,
        group: Group = ALONE,
    ) -> None:
        self.config, self.data, self.run, self.group = config, data, run, group
        self.attributes = data.attributes if config.reconstruction.attributes else None
        num_values = 0 if self.attributes is None else self.attributes.num_values
        device = torch.device(config.device)
        self.state = TrainingState(*networks, config, device, num_values, group)
        self.state.generator_ema.name = run.resolve().name  # as loaded from the run folder
        self.state.context.real_maps = self._real_maps()
        self.order = ShuffledOrder(len(data), config.seed)
        self.health = HealthMonitor()
        self.clock = Clock(config, group)
        self._report = report
        self.quality = Quality(config, data, self._show, group)
        self._log: Log | None = None
        self._scalars: Scalars | None = None
        self._saved_images = -1  # where the newest checkpoint stands
        self.clock.watch(lambda: data.seconds_waited)

    def check_agreement(self) -> None:
        """Whether all processes begin alike; raises WspaceError."""
        if self.group.alone:
            return
        places = ("data", "start_from")  # which may differ from machine to machine
        config = {k: v for k, v in values_by_name(self.config).items() if k not in places}
        facts = {"data": self.data.earlier_fingerprint, "pictures": len(self.data)}
        machine = {k: v for k, v in _machine(self.group).items() if k != "threads"}
        measured = {"measured": self.quality.on}
        check_alike(self.group, config | facts | machine | measured)
        growth = self.state.growth
        sizes = {growth.batch_size(lod) for lod in range(self.data.size.doublings)}
        check_shares(self.group, sorted(sizes), self.state.discriminator)
        check_tensors(self.group, self.state.state_dict(), self.state.step)

    def compare(self) -> None:
        """Now and then, whether all processes have learned the same; raises WspaceError."""
        if self.state.step % self.config.processes.compare_steps == 0:
            check_tensors(self.group, self.state.state_dict(), self.state.step)

    def _real_maps(self) -> RealMaps | None:
        """What the discriminator's pretrained network sees in the data, where that fits."""
        context, data = self.state.context, self.data
        network = context.discriminator
        # where real and generated images are seen together, nothing is kept
        if not isinstance(network, ProjectedDiscriminator) or (
            self.config.adversarial.generations == 2
        ):
            return None

        def images(numbers: range) -> Tensor:
            pixels = data.images(numbers).to(context.device)
            return from_uint8(pixels).contiguous(memory_format=torch.channels_last)

        def perceive(images: Tensor, background: float) -> list[Tensor]:
            with context.autocast():
                return network.perceive(images, background)

        backgrounds = BACKGROUNDS if data.image_channels == 4 else (context.background,)
        return real_maps(len(data), self.config.mirror, backgrounds, images, perceive)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Open the run's log, which `tell` and `record` write to in the meantime."""
        with ExitStack() as stack:
            if not self.group.is_first:
                yield
                return
            self._log = stack.enter_context(Log(self.run / "log.jsonl", self._show))
            if self.config.saving.tensorboard:
                self._scalars = stack.enter_context(Scalars(self.run, self.state.step))
            yield
        self._log = self._scalars = None

    def record(self, record: dict[str, Any]) -> None:
        """Log a record, for TensorBoard too where that was asked for."""
        if self._log is not None:
            self._log.write(record)
        if self._scalars is not None:
            self._scalars.write(record)

    def tell(self, message: str, kind: str = "warning") -> None:
        """Tell the user something, and the log."""
        if self._log is not None:
            self._log.write({"step": self.state.step, "event": kind, "message": message})
        self._show(message)

    def next_batch(self) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor]:
        """Real images, (N, C, H, W), float32, in [-1, 1]; if asked for, classes and attributes.

        The last one says which pictures they are. Of a batch, they are this process's own.

        They are as `TrainingState.run` takes them.
        """
        state, own = self.state, self.group.own
        indices = own(self.order.next(state.batch_size))
        pixels = self.data.images(indices)
        self.data.prepare(own(self.order.peek(state.batch_size)))  # while the step computes
        images = real_images(pixels.to(state.device), state.lod)
        which = torch.from_numpy(indices)
        if self.config.mirror:
            drawn = torch.rand(
                state.batch_size, generator=state.context.random, device=state.device
            )
            mirrored = own(drawn) < 0.5
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
            which = 2 * which + mirrored.cpu()
        c = self.data.one_hot(indices).to(state.device) if self.config.labels else None
        values = None
        if self.attributes is not None:
            values = torch.from_numpy(self.attributes.codes[indices]).to(state.device)
        return images, c, values, which

    def collapsed(self, result: StepResult) -> bool:
        """Now and then, compare how different generated and real pictures of one batch are.

        Returns:
            Whether the generator has collapsed and the run has gone back because of it.
        """
        state = self.state
        before = (state.seen_images - state.newly_seen) // DIVERSITY_INTERVAL_IMAGES
        if result.right is None or before == state.seen_images // DIVERSITY_INTERVAL_IMAGES:
            return False
        found = self.group.from_first(self._diversities, "the comparison of pictures")
        event = self.health.observe_diversity(state.step, *found)
        if event is not None and event.kind == "rollback":
            self.roll_back(event.message)
            return True
        if event is not None:
            self.tell(event.message, event.kind)
        return False

    def _diversities(self) -> tuple[float, float]:
        """How different generated pictures are, and as many real ones."""
        state, batch = self.state, self.state.batch_size
        random = torch.Generator().manual_seed(state.step)  # apart from the run's own stream
        numbers = self.order.peek(batch)
        real = real_images(self.data.images(numbers).to(state.device), state.lod)
        z = torch.randn(batch, state.generator.z_dim, generator=random).to(state.device)
        c = self.data.one_hot(numbers).to(state.device) if state.generator.num_classes else None
        with torch.no_grad():
            ws = state.generator_ema.mapping(z, c)
            generated = state.generator_ema.synthesis(ws, **state.context.at_this_size)
        return picture_diversity(generated), picture_diversity(real)

    @property
    def unsaved(self) -> bool:
        """Whether the run has gone on since its newest checkpoint."""
        return self._saved_images != self.state.seen_images

    def checkpoint(self) -> None:
        """Write a checkpoint, then the model if it is the best; raises WspaceError."""
        self.clock.checkpointed(self.state.seen_images)  # tried counts: not again at every step
        if self.group.is_first:
            with self.group.doing("writing a checkpoint"):
                self._write_checkpoint()
        self._saved_images = self.state.seen_images
        self._save_best()

    def _write_checkpoint(self) -> None:
        networks = (self.state.generator, self.state.discriminator)
        save_checkpoint(
            self.run / "checkpoints",
            {
                "networks": [cast(Any, network.config).to_dict() for network in networks],
                "state": self.state.state_dict(),
                "order": self.order.state(),
                "health": self.health.state_dict(),
                "quality": self.quality.state_dict(),
                "machine": _machine(self.group),
            },
            kimg=self.state.seen_images / 1000,
            keep=self.config.saving.keep_checkpoints,
            keep_every=self.config.saving.keep_every,
        )

    def _save_best(self) -> None:
        """Write the model if it was measured at this step and is the best.

        After the checkpoint, so that a kill in between leaves one that `restore` does it from.
        """
        best = self.quality.best
        if self.quality.on and best is not None and best.step == self.state.step:
            self._save_model(BEST_FILE)

    def measure(self) -> None:
        """Measure the running average; the next checkpoint keeps the best; raises WspaceError."""
        state, quality = self.state, self.quality
        found = quality.measure(state.generator_ema, state.step, state.seen_images)
        best = found is quality.best
        record = {"step": found.step, "kimg": found.kimg, "seconds": self.clock.seconds}
        values = {"fd_quick": found.fd, "fd_quick_real": quality.floor, "best": best}
        self.record(record | values)
        if best and self.config.saving.report and self.group.is_first:
            write_figure(self.run / "neighbours.png", quality.neighbours(state.generator_ema))

    def save_newest(self) -> None:
        """Write the newest model, as the best one where nothing is measured; raises WspaceError."""
        self._save_model(BEST_FILE if self.quality.best is None else NEWEST_FILE)

    def _save_model(self, name: str) -> None:
        if not self.group.is_first:
            return
        state, newest = self.state, self.quality.newest
        training = self.config.to_dict() | {"data": Path(self.config.data).name, "start_from": None}
        quality = {}
        if self.quality.on and newest is not None and newest.step == state.step:
            quality = {"quality": {"fd_quick": newest.fd} | self.quality.setting}
        encoder = None
        if state.autoencoder is not None:
            told = None if self.attributes is None else torch.from_numpy(self.attributes.codes)
            encoder = state.autoencoder.encoder.untold(told)
        save(
            state.generator_ema,
            self.run / name,
            discriminator=state.discriminator,
            encoder=encoder,
            metadata={
                "trained_on": self.data.name,
                "pictures": len(self.data),
                "fingerprint": self.data.fingerprint,
                "licence": self.data.licence,
                "attribution": self.data.attribution,
                "kimg": round(state.seen_images / 1000, 3),
                **quality,
                "training": training,
            },
        )

    def snapshot(self) -> None:
        """Write the newest model, a sample sheet and the report; raises WspaceError."""
        if not self.group.is_first:
            return
        with self.group.doing("writing the newest model and its sheets"):
            self._write_snapshot()

    def _write_snapshot(self) -> None:
        self.save_newest()
        state, run = self.state, self.run
        save_samples(state.generator_ema, run / f"samples-{state.seen_images // 1000:06d}.png")
        if not self.config.saving.report:
            return
        best, generator = self.quality.best, state.generator_ema
        if best is not None and best.step != state.step and (run / BEST_FILE).is_file():
            generator = load(run, device=state.device)
        save_figures(generator, run)
        if not (run / "real.png").exists():
            save_real(self.data, run / "real.png")
        write_report(run)

    def go_on_without(self, write: Callable[[], None]) -> None:
        """Call `checkpoint` or the like: a full disk costs what it writes, not the run."""
        try:
            write()
        except LostRankError:  # nobody goes on
            raise
        except WspaceError as error:
            self.tell(f"{error} Training goes on.")

    def restore(self, saved: dict[str, Any]) -> None:
        """Go to where a checkpoint stands.

        Raises:
            WspaceError: it is whole, but not of this run.
        """
        try:
            self.state.load_state_dict(saved["state"])
            self.order.restore(saved["order"])
            self.health.load_state_dict(saved["health"])
            self.quality.load_state_dict(saved.get("quality", {}))
            machine = {"processes": 1} | saved["machine"]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise _foreign(self.run, error) from None
        self._saved_images = self.state.seen_images
        self.clock.at(self.state.seen_images)
        self.go_on_without(self._save_best)
        now = _machine(self.group)
        changed = [f"{k} {machine.get(k)}, now {v}" for k, v in now.items() if machine.get(k) != v]
        if changed:
            self._show(
                f"the run was computed with {'; '.join(changed)}: it goes on, but not bit for bit "
                "as it would have."
            )

    def roll_back(self, why: str) -> None:
        """Go back to the newest checkpoint with half the learning rate, and save that.

        Raises:
            WspaceError: there is none any more.
        """
        saved = self.group.from_first(
            lambda: newest_state(self.run, self.tell), "the newest checkpoint"
        )
        if saved is None:
            raise WspaceError(f"{why} There is none: start a new run.")
        self.restore(saved)
        self.state.halve_learning_rate()
        self.tell(why, "rollback")  # with the step gone back to, as `truncate_log` wants it
        self.checkpoint()

    def _show(self, message: str) -> None:
        self._report(self.clock.message(message))


def _machine(group: Group) -> dict[str, Any]:
    """What the last bit of a run depends on beside its configuration."""
    return {
        "torch": str(torch.__version__),
        "instructions": cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": group.world_size,
    }


def newest_state(run: Path, tell: Callable[[str], None]) -> dict[str, Any] | None:
    """What the newest whole checkpoint of a run holds; None before the first one was written.

    Raises:
        WspaceError: there are checkpoints, but none is whole.
    """
    checkpoint, torn = newest_checkpoint(run / "checkpoints")
    for message in torn:
        tell(message)
    if checkpoint is not None:
        return load_checkpoint(checkpoint)
    if torn:
        raise WspaceError(
            f"no checkpoint of {run} is whole: bring its checkpoints back from a copy, or start a "
            "new run."
        )
    return None


def saved_networks(saved: dict[str, Any]) -> tuple[Generator, nn.Module]:
    """Networks of a checkpoint's kind, even if the model that the run started from is gone.

    Raises:
        WspaceError: the checkpoint does not say what they are.
    """
    try:
        generator, discriminator = saved["networks"]
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(None, error) from None
    return (
        build_generator(GeneratorConfig.from_dict(generator)),
        build_discriminator(discriminator_config(discriminator)),
    )


def _foreign(run: Path | None, error: Exception) -> WspaceError:
    why = f"{type(error).__name__}: {reason(error)}"
    where = "the checkpoint" if run is None else f"the newest checkpoint of {run}"
    return WspaceError(
        f"{where} does not fit this run ({why}): delete it to go on from an older one."
    )

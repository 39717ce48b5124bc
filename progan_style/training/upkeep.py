"""What a run does between two steps: a line of the log, an evaluation, a picture, a checkpoint, the files of a stage.

All of it is a function of the image count. The checkpoint comes after what it counts as done, and before the files of
a stage, which a resumed run makes where they are missing or older: whatever stops it there costs no step.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from progan_style import distributed, memory
from progan_style.checkpoint import newest_state, save_network, save_state
from progan_style.config import Config, learns_otherwise, parse_config, refuse_changes, save_config
from progan_style.files import write_whole
from progan_style.networks import fir
from progan_style.networks.contract import Generator
from progan_style.run import WEIGHTS, is_finished, refuse_other_data, refuse_without_checkpoint, stage_dir
from progan_style.sampling import save_samples
from progan_style.training import graphs, runlog
from progan_style.training.call import describe_call
from progan_style.training.lock import Lock
from progan_style.training.recovery import cannot_go_back, drop_later, last_good, not_finite
from progan_style.training.schedule import GrowthSchedule, Phase, Stage, crossed, last_phase, stage_ended
from progan_style.training.screen import Pace, Table, brief, legend
from progan_style.training.state import State

Evaluate = Callable[[Generator, Phase], dict[str, float]]


@dataclass(frozen=True)
class Due:
    """What an image count asks for."""

    log: bool
    evaluate: bool
    picture: bool
    stage: bool  # its files
    save: bool

    @classmethod
    def at(cls, schedule: GrowthSchedule, nimg: int, config: Config, last: bool) -> "Due":
        """last: the run ends here, or was asked to stop."""
        every, ended = config.training, stage_ended(schedule, nimg)
        first = nimg == 0 and every.on_divergence == "rollback"  # else there is nothing to go back to
        return cls(
            log=crossed(schedule, nimg, every.log_kimg) or ended,
            evaluate=crossed(schedule, nimg, every.eval_kimg),
            picture=crossed(schedule, nimg, every.grid_kimg) or nimg == 0,
            stage=ended,
            save=crossed(schedule, nimg, every.checkpoint_kimg) or ended or last or first,
        )


class Upkeep:
    """The upkeep of one call of a run in its folder; of several processes the first writes.

    data_digest: tells the training slices apart. precision: that of the steps, bf16 or fp32.
    """

    def __init__(
        self, state: State, schedule: GrowthSchedule, run_dir: Path, data_digest: dict[str, str], precision: str
    ):
        self.state, self.schedule, self.run_dir, self.data_digest = state, schedule, run_dir, data_digest
        self.precision = precision
        self.config, self.path = state.config, run_dir / "checkpoint.pt"
        self.lock = Lock(run_dir)
        self.log: runlog.RunLog | None = None  # of the process that writes
        self.bar: tqdm | None = None
        self.shown: Stage | None = None  # by the bar
        self.done = self.saved = -1  # image counts of the last upkeep and of the last checkpoint

    # ---------------------------------------------------------------- begin and end

    def begin(self, slices: int, largest_share: float, pace: Pace) -> None:
        """Go on from the folder's checkpoint, else from `init`.

        slices: their number, for an error; largest_share: of them, the largest class's; pace: to tell the time left.
        """
        self.pace = pace
        if distributed.rank() == 0 and (left := self.lock.take()):
            runlog.say(left)
        refuse_without_checkpoint(self.run_dir)
        if self.path.exists():
            state = self._mended()
            begun = parse_config(state["config"], str(self.path)).model_copy(update={"init": self.config.init})
            refuse_changes(begun, self.config, self.path, state["nimg"])
            refuse_other_data(state["data"], self.data_digest, self.path, slices)
            self._warn(state)
            self._take(state)
            self.done = self.saved = self.state.nimg
            if learns_otherwise(begun, self.config) and distributed.rank() == 0:
                drop_later(self.run_dir, self.config.schedule.resolutions, self.state.nimg, self.state.best)
        elif self.config.init:
            self.state.start_from(Path(self.config.init))
        distributed.refuse_differences(
            [self.state.nimg, self.data_digest, self.config.model_dump(mode="json")],
            "the ranks differ in configuration, data or checkpoint; expected the same command and the same --run and "
            "--data folders (on shared storage) on every machine",
        )
        for network in (self.state.G, self.state.D, self.state.G_ema):
            distributed.copy_from_first(network.state_dict().values())
        if distributed.rank() == 0:
            save_config(self.config, self.run_dir / "config.yaml")
            self.log = runlog.RunLog(self.run_dir, self.state.nimg)
            self.log.begin(describe_call(self.state.device, self.precision), self.state.nimg)
            self.table = Table()
            if len(self.config.data.classes) > 1:
                runlog.say(f"note: {legend(largest_share)}")
            if why := fir.slower_because(self.state.device):
                runlog.say(f"note: blurs take a slower form, with the same numbers: {why}")
            if self.config.training.graphs == "auto" and (why := graphs.why_not(self.state.device)):
                runlog.say(f"note: steps are launched one by one (training.graphs auto): {why}")
            self._remake_stage()
        self._restart_clock()

    def _remake_stage(self) -> None:
        """The files of a stage that has just ended, where they are gone, or from before it was made longer."""
        nimg = self.state.nimg
        if stage_ended(self.schedule, nimg) and not is_finished(self.run_dir, self.schedule.stage(nimg - 1)):
            self._finish_stage()

    def _mended(self) -> dict[str, Any]:
        """The newest whole state; a damaged checkpoint.pt is put aside, and the one before it takes its place."""
        state, found = newest_state(self.path)
        distributed.any_rank(False)  # all have read before the first moves a file
        if found != self.path:
            damaged = self.path.with_name("checkpoint-damaged.pt")
            last = max((line["nimg"] for line in runlog.read_log(self.run_dir)), default=0)
            lost = f": {last - state['nimg']} images of the log are made again" if last > state["nimg"] else ""
            runlog.say(
                f"warning: {self.path} is damaged (now {damaged.name}); going on from {found.name} at "
                f"{state['nimg']} images{lost}"
            )
            if distributed.rank() == 0:
                os.replace(self.path, damaged)
                write_whole(self.path, found.read_bytes())
        return state

    def _take(self, state: dict[str, Any]) -> None:
        end = self.schedule.stages[-1].end
        if state["nimg"] > end:
            raise ValueError(f"{self.path}: of {state['nimg']} images, where the whole run has {end}: not of this run")
        try:
            self.state.load_state_dict(state)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{self.path}: does not fit this run ({why}); begin again with another --run") from None

    def _warn(self, state: dict[str, Any]) -> None:
        for what, here in (("precision", self.precision), ("device", self.state.device.type)):
            if state[what] != here:
                advice = f" (--set training.precision={state[what]})" if what == "precision" else ""
                runlog.say(
                    f"warning: the checkpoint was made in {state[what]}, this is {here}: it goes on, but not bit for "
                    f"bit{advice}"
                )
        if state["threads"] != torch.get_num_threads() and self.state.device.type == "cpu":
            runlog.say(
                f"warning: the checkpoint was made with {state['threads']} CPU threads, this is "
                f"{torch.get_num_threads()}: it goes on, but not bit for bit (--set threads={state['threads']})"
            )

    def close(self) -> None:
        """Close what is open."""
        if self.bar is not None:
            self.bar.close()
        if self.log is not None:
            self.log.close()
        self.lock.release()

    def _restart_clock(self) -> None:
        self.clock, self.clock_nimg = time.monotonic(), self.state.nimg

    # ---------------------------------------------------------------- between two steps

    def due(self, last: bool) -> Due | None:
        """What is to be done at the present image count; None where it was done before."""
        nimg = self.state.nimg
        return None if nimg == self.done else Due.at(self.schedule, nimg, self.config, last)

    def healthy(self, due: Due) -> bool:
        """Whether the run goes on from here; False: it has diverged, and went back to the last good checkpoint.

        Each line of the log is looked at; nothing that is not finite is saved between two lines either.
        Raises ValueError if it diverged and does not go back, OSError if the run's folder is gone.
        """
        self.lock.refuse_another_folder()
        if not (due.log or due.save):
            return True
        self.state.meter.share()
        numbers, r = self.state.meter.means(), last_phase(self.schedule, self.state.nimg).resolution
        why = self.state.watchdog.look(numbers, r, self.state.nimg) if due.log else not_finite(numbers)
        if why is None:
            return True
        self._go_back(f"diverged at {self.state.nimg} images ({r} px): {why}", r, why)
        return False

    def report(self, due: Due, evaluate: Evaluate | None) -> None:
        """The line of the log, the evaluation, the picture."""
        if due.log:
            self._write_line()
        if self.log is None:
            return
        if evaluate and due.evaluate:
            self._evaluate(evaluate)
        if due.picture:
            self._grow_ema()
            picture = self.run_dir / "samples" / f"{self.state.nimg:09d}.png"
            save_samples(self.state.G_ema, picture)
            self.log.board.picture(picture, self.state.nimg)

    def save(self, due: Due) -> None:
        """The checkpoint, then the files of a stage that ended.

        The checkpoint before is kept if it is known to be good, else the one before that still is.
        """
        if due.save and self.log is not None:
            if due.stage:
                self._grow_ema()  # the averaged generator is saved at the stage's own size
            save_state(self.path, self._state_dict(), keep=self.saved <= self.state.watchdog.good)
            self.saved = self.state.nimg
            if due.stage:
                self._finish_stage()

    def progress(self) -> None:
        """The bar of the stage, with images/s and the time left; quiet when the output is not a terminal."""
        stage = self.schedule.stage(self.state.nimg - 1)
        done = self.state.nimg - stage.start
        if self.bar is None or stage != self.shown:
            if self.bar is not None:
                self.bar.close()
            self.shown = stage
            self.bar = tqdm(
                total=stage.end - stage.start,
                initial=done,
                desc=f"{stage.resolution}px",
                unit="img",
                disable=None if distributed.rank() == 0 else True,
                dynamic_ncols=True,
            )
        self.bar.update(done - self.bar.n)

    # ---------------------------------------------------------------- each of them

    def _state_dict(self) -> dict[str, Any]:
        """A checkpoint may be passed on, for --init: where slices and weights lie on this machine is not in it."""
        config = self.config.model_dump(mode="json")
        config |= {"init": None, "data": config["data"] | {"root": None, "cache": "cache"}}
        return {
            "config": config,
            "class_names": list(self.config.data.classes),
            "data": self.data_digest,
            "threads": torch.get_num_threads(),
            "precision": self.precision,
            "device": self.state.device.type,
            **self.state.state_dict(),
        }

    def _write_line(self) -> None:
        """The means since the last line, and the phase of the last step."""
        phase, rate, nimg = last_phase(self.schedule, self.state.nimg), self.state.watchdog.rate, self.state.nimg
        numbers: dict[str, Any] = {"resolution": phase.resolution, "alpha": phase.alpha}
        numbers |= {"lr_d": phase.lr_d * rate, "lr_g": phase.lr_g * rate} | self.state.meter.means()
        self.state.meter.clear()
        if self.log is not None:
            seconds = max(time.monotonic() - self.clock, 1e-9)
            speed = (nimg - self.clock_nimg) / seconds
            numbers |= {"images_per_second": round(speed, 2), "seconds": round(seconds, 2)}
            numbers |= memory.peaks(self.state.device)
            self.log.write(numbers, nimg)
            left = brief(*self.pace.left(nimg, speed))
            for line in self.table.lines(numbers | {"kimg": f"{nimg / 1000:.1f}", "left": left}):
                runlog.say(line)
            if self.bar is not None:
                self.bar.set_postfix_str(f"all stages: {left} left", refresh=False)
        self._restart_clock()

    def _grow_ema(self) -> Phase:
        """The averaged generator at the size of the last step."""
        phase, nimg = last_phase(self.schedule, self.state.nimg), self.state.nimg
        # At a stage's end the fade is over; elsewhere the picture shows the networks as they train.
        self.state.G_ema.grow(phase.resolution, 1.0 if stage_ended(self.schedule, nimg) else phase.alpha)
        self.state.G_ema.nimg = nimg
        return phase

    def _evaluate(self, evaluate: Evaluate) -> None:
        assert self.log is not None
        phase, nimg, best = self._grow_ema(), self.state.nimg, self.state.best
        try:
            numbers = evaluate(self.state.G_ema, phase)
        except ValueError as error:  # hours of training are worth more than a number that the data cannot give
            runlog.say(f"{nimg / 1000:9.1f} kimg  not evaluated: {error}")
            return
        self.log.write(numbers, nimg, "metrics")
        runlog.say(f"{nimg / 1000:9.1f} kimg  " + "  ".join(f"{k}: {v:.4g}" for k, v in numbers.items()))
        r, kid = phase.resolution, numbers["kid"]
        if phase.alpha == 1.0 and kid < best.get(r, math.inf):
            best[r] = kid
            path = stage_dir(self.run_dir, r) / WEIGHTS["best"]
            save_network(path, self.state.G_ema, self.state.header("generator", r) | {"kid": kid})

    def _finish_stage(self) -> None:
        state, r = self.state, self._grow_ema().resolution
        folder = stage_dir(self.run_dir, r)
        folder.mkdir(parents=True, exist_ok=True)
        title = f"{self.run_dir.name}: losses up to {r} px"
        try:
            runlog.save_loss_plot(self.run_dir, folder / "losses.png", self.schedule, title)
        except Exception as error:  # a stage is worth more than its picture
            runlog.say(f"note: {folder / 'losses.png'} is not drawn: {' '.join(str(error).split())}")
        save_samples(state.G_ema, folder / "samples.png")
        save_network(folder / "discriminator.safetensors", state.D, state.header("discriminator", r))
        # Last: with this file a stage counts as finished.
        save_network(folder / "generator.safetensors", state.G_ema, state.header("generator", r))

    def _go_back(self, seen: str, resolution: int, why: str) -> None:
        """Go on from the last good checkpoint at half the learning rates, saved at once; the log is cut back to there.

        The same images and latents come again; with other rates they lead elsewhere.
        Raises ValueError if training.on_divergence is stop, or if going back has not helped twice.
        """
        watchdog, nimg = self.state.watchdog, self.state.nimg
        name, good = last_good(self.path, watchdog)
        if refusal := cannot_go_back(self.config.training.on_divergence, watchdog, name, good, resolution):
            raise ValueError(f"{self.run_dir}: {seen}{refusal}")
        assert good is not None
        rollbacks = watchdog.rollbacks + 1
        self.state.load_state_dict(good)
        watchdog.went_back(rollbacks, self.state.nimg)
        distributed.any_rank(False)  # all have read what the first now writes
        runlog.say(f"{seen}; back to {self.state.nimg} images with the learning rates times {watchdog.rate:g}")
        if self.log is not None:
            drop_later(self.run_dir, self.config.schedule.resolutions, self.state.nimg, self.state.best)
            save_state(self.path, self._state_dict(), keep=self.saved <= watchdog.good)
            self.log.close()
            self.log = runlog.RunLog(self.run_dir, self.state.nimg)
            event = {"rollback": rollbacks, "from": nimg, "rate": watchdog.rate, "why": why}
            self.log.write(event, self.state.nimg)
        self.done = self.saved = self.state.nimg
        self.shown = None
        self._restart_clock()

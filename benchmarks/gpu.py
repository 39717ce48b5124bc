"""What a graphics card gives, on one page: is it right, how fast is it, where does the time go, how long is a run.

    python -m benchmarks.gpu [--quick] [--cpu] [--minutes 8]        (make gpu)

--quick: speed and memory at 64 and 256 px alone, for before and after in turn. --cpu: every row, small, on a machine
without a card, in the forms of filters and convolutions that a card takes. Each row is printed when it is done, and
one that cannot be had is left out with its reason. Exit 1 if a row found something wrong, 2 if there is no card.
"""

import argparse
import contextlib
import copy
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.machine import Clock, peak_rss_mb
from benchmarks.train_step import mean_seconds, step, time_step
from progan_style import Config, Dataset, GrowthSchedule, Trainer, generate, load_config
from progan_style.checkpoint import load_state, save_state
from progan_style.networks import ARCHITECTURES, convolution, fir
from progan_style.sampling import save_samples
from progan_style.shell import is_out_of_memory
from progan_style.training import graphs, step as loop
from progan_style.training.losses import LOSSES

LIMITS = {"fp32": 1e-3, "bf16": 0.15}  # of a gradient's distance from the CPU's in fp32, over its length
GROUPED = re.compile(r"grouped|depthwise", re.IGNORECASE)
CARDS_GB = (8, 12, 16, 24)


@dataclass(frozen=True)
class Scale:
    """How large the rows are; the shipped values but for `overrides`."""

    sizes: tuple[int, ...] = (256, 128, 64, 32, 16, 8)
    overrides: tuple[str, ...] = ()
    compared: tuple[str, ...] = ("schedule.batch_size.32=16", "network.channel_base=2048", "network.channel_max=64")
    compared_at: int = 32
    rounds: int = 6
    made: int = 256  # images of generate() and of the report's features
    backend: str = "inductor"


FULL = Scale()
QUICK = Scale(sizes=(256, 64))
TINY = (
    *("network.channel_base=64", "network.channel_max=8", "network.z_dim=8", "network.w_dim=8"),
    "loss.penalty_interval=2",
)
SMALL = Scale(
    sizes=(16, 8),
    overrides=(*TINY, "schedule.batch_size.16=8", "schedule.batch_size.8=8"),
    compared=(*TINY, "schedule.batch_size.16=8"),
    compared_at=16,
    rounds=1,
    made=16,
    backend="aot_eager",
)


@dataclass
class Bench:
    device: torch.device
    scale: Scale
    wrong: list[str] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)  # of an image, by size
    slices: dict[int, Dataset] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        return self.scale.sizes[0]

    def config(self, size: int, *overrides: str) -> Config:
        """The shipped configuration at one resolution, which never ends."""
        one = (f"schedule.resolutions=[{size}]", f"schedule.hold_kimg.{size}=1000000")
        return load_config(overrides=[*one, *self.scale.overrides, *overrides])

    def data(self, size: int) -> Dataset:
        """64 slices of noise."""
        if size not in self.slices:
            rng = np.random.default_rng(0)
            images = rng.integers(0, 256, (64, 1, size, size), dtype=np.uint8)
            self.slices[size] = Dataset({size: images}, np.arange(64) % 2, np.full(64, ""), ("CN", "AD"))
        return self.slices[size]

    def trainer(self, size: int, *overrides: str, device: torch.device | None = None) -> Trainer:
        return Trainer(self.config(size, *overrides), self.data(size), device or self.device)

    def check(self, right: bool, what: str) -> str:
        if not right:
            self.wrong.append(what)
        return "right" if right else "WRONG"

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds_of(self, call: Callable[[], Any], repeat: int = 1) -> float:
        """Of one call; the first warms up."""
        call()
        self.synchronize()
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        self.synchronize()
        return (time.perf_counter() - start) / repeat


# ---------------------------------------------------------------- the rows


def machine(bench: Bench) -> Iterator[str]:
    """What figures have to be read with."""
    yield f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    if bench.device.type != "cuda":
        yield f"a CPU, {torch.get_num_threads()} threads: no row says anything of a card's speed"
        return
    card = torch.cuda.get_device_properties(bench.device)
    yield f"{card.name}, {card.total_memory / 2**30:.0f} GB, compute capability {card.major}.{card.minor}"
    yield f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    native = card.major >= 8
    yield "bf16: native" if native else "bf16: not native, training.precision auto takes fp32"
    why = fir.why_no_kernel()
    yield f"the blur: {'slices: ' + why if why else 'the Triton kernel'}"


def speed(bench: Bench) -> Iterator[str]:
    """Images/s of plain and penalised steps, weighted as they come, and peak memory."""
    yield "| px, batch | plain, ms | penalised, ms | penalised / plain | images/s | GB |"
    yield "|---|---|---|---|---|---|"
    yield from table_rows(bench.scale.sizes, partial(speed_row, bench), columns=6)


def table_rows(sizes: Sequence[int], row: Callable[[int], str], columns: int) -> Iterator[str]:
    """The rows of a table by size; one without memory is left out."""
    for size in sizes:
        try:
            yield row(size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            yield f"| {size} | left out: out of memory; lower schedule.batch_size.{size} |" + " |" * (columns - 2)


def speed_row(bench: Bench, size: int, *overrides: str) -> str:
    trainer, clock = bench.trainer(size, *overrides), Clock(bench.device)
    time_step(clock, "step", trainer, warm=True)
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(bench.device)
    for _ in range(bench.scale.rounds):
        time_step(clock, "step", trainer)
    n = trainer.config.schedule.batch_size[size]
    seconds = mean_seconds(clock, "step", trainer.config.loss.penalty_interval) / n
    if not overrides:
        bench.seconds[size] = seconds
    plain, penalised = (1000 * clock.median(f"step, {kind}") for kind in ("plain", "penalised"))
    return (
        f"| {size}, {n} | {plain:.1f} | {penalised:.1f} | {penalised / plain:.2f} | {1 / seconds:,.0f} "
        f"| {peak_gb(bench.device):.2f} |"
    )


def peak_gb(device: torch.device) -> float:
    """Since the peak was reset: the allocator's on a card, the process's own else."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return peak_rss_mb() / 1024


def batches(bench: Bench) -> Iterator[str]:
    """Peak memory of two batches at the largest size; by a line through both, the batch that a smaller card holds."""
    if bench.device.type != "cuda":
        yield "left out: only a card's memory can be told apart from the rest of the process"
        return
    size, peaks = bench.largest, {}
    for n in (8, 32):
        trainer = bench.trainer(size, f"schedule.batch_size.{size}={n}")
        torch.cuda.reset_peak_memory_stats(bench.device)
        step(trainer, penalised=True)
        step(trainer, penalised=False)
        peaks[n] = peak_gb(bench.device)
        del trainer
    each = (peaks[32] - peaks[8]) / 24
    yield f"{size} px: {peaks[8]:.2f} GB at a batch of 8, {peaks[32]:.2f} at 32 (measured)"
    fit = {gb: int((0.9 * gb - peaks[8]) / each + 8) // 4 * 4 for gb in CARDS_GB}
    yield "by a line through both, in 90 % of a card: " + ", ".join(f"{gb} GB {n}" for gb, n in fit.items())


def kernels(bench: Bench) -> Iterator[str]:
    """The ten dearest kernels of D's and of G's update, and of D's with the penalty."""
    trainer = bench.trainer(bench.largest)
    for penalised in (False, True):
        step(trainer, penalised)  # warm
    for name, penalised in (("update_D", False), ("update_D", True), ("update_G", False)):
        rows = dearest(bench, trainer, name, penalised)
        yield f"{name}{', with the penalty' if penalised else ''} ({bench.largest} px), ms on the device:"
        yield from (f"  {ms:8.2f}  {calls:4d} x  {kernel[:90]}" for ms, calls, kernel in rows)
        grouped = [kernel for _, _, kernel in rows if GROUPED.search(kernel)]
        yield f"  grouped convolutions among them: {len(grouped) or 'none'}"


def dearest(bench: Bench, trainer: Trainer, name: str, penalised: bool) -> list[tuple[float, int, str]]:
    """(ms, calls, kernel) of one update within a step, the ten dearest first."""
    update, seen = getattr(loop, name), []
    activities = [ProfilerActivity.CUDA if bench.device.type == "cuda" else ProfilerActivity.CPU]

    def profiled(*given: Any) -> Any:
        bench.synchronize()
        with profile(activities=activities) as watch:
            done = update(*given)
            bench.synchronize()
        seen.append(watch)
        return done

    with mock.patch.object(loop, name, profiled):
        step(trainer, penalised)
    attribute = "self_device_time_total" if bench.device.type == "cuda" else "self_cpu_time_total"
    events = [(getattr(e, attribute) / 1000, e.count, e.key) for e in seen[0].key_averages()]
    return sorted(events, reverse=True)[:10]


def gradients(bench: Bench) -> Iterator[str]:
    """Both networks' gradients beside the CPU's in fp32. Not their weights: Adam's first steps are signs."""
    size = bench.scale.compared_at
    precisions = ["fp32"]
    if bench.device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False):
        precisions.append("bf16")
    limits = ", ".join(f"{LIMITS[precision]:g} in {precision}" for precision in precisions)
    yield f"distance from the CPU's in fp32 over length, {size} px, without TF32; at most {limits}"
    for architecture, kind in ARCHITECTURES.items():
        for loss in LOSSES:
            options = [*bench.scale.compared, f"network.name={architecture}", f"loss.name={loss}"]
            options += ["loss.path_length=2.0"] if kind.TWICE_DIFFERENTIABLE else []
            with mock.patch.object(convolution, "DEVICES", set()), mock.patch.object(fir, "on_card", lambda x: False):
                usual = gradients_of(bench, size, [*options, "training.precision=fp32"], torch.device("cpu"))
            for precision in precisions:
                ours = gradients_of(bench, size, [*options, f"training.precision={precision}"], bench.device)
                apart = {key: float((ours[key] - g).norm() / g.norm()) for key, g in usual.items()}
                right = max(apart.values()) <= LIMITS[precision]
                told = bench.check(right, f"gradients of {architecture}, {loss}, {precision}")
                shown = ", ".join(f"{key} {value:.1e}" for key, value in apart.items())
                yield f"{architecture}, {loss}, {precision}: {shown}: {told}"


def gradients_of(bench: Bench, size: int, options: list[str], device: torch.device) -> dict[str, Tensor]:
    """Of a penalised and of a plain step of the same weights: what the optimisers are given, flat, on the CPU."""
    trainer, seen = bench.trainer(size, *options, device=device), {}

    def keep(name: str, parameters: list[Tensor]) -> Callable[[], None]:
        def step() -> None:
            kind = "plain" if f"{name} penalised" in seen else "penalised"
            given = [p.grad.flatten() for p in parameters if p.grad is not None]
            seen[f"{name} {kind}"] = torch.cat(given).double().cpu()

        return step

    for name, optimizer, network in (
        ("D", trainer.state.opt_D, trainer.state.D),
        ("G", trainer.state.opt_G, trainer.state.G),
    ):
        optimizer.step = keep(name, list(network.parameters()))  # type: ignore[method-assign,assignment]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for _ in range(2):  # a run's first step has the penalty, its second has none
            trainer.step(*trainer.batch())
    return seen


class NoReading(TorchDispatchMode):
    """Refuses what would make a host wait for a card: a value read in Python."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise RuntimeError(f"the host waits for {func}")
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """RuntimeError where the host waits for the device."""
    if device.type != "cuda":
        with NoReading():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def waits(bench: Bench) -> Iterator[str]:
    """Whether a step waits for the device."""
    trainer = bench.trainer(bench.largest)
    for kind in ("penalised", "plain"):
        batch = trainer.batch()
        trainer.state.enter(trainer.schedule.at(trainer.state.nimg))
        try:
            with no_waiting(bench.device):
                trainer.step(*batch)
            yield f"a {kind} step: no wait"
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            bench.check(False, f"a {kind} step waits")
            yield f"a {kind} step: WRONG: {str(error).splitlines()[0]}"


def resume(bench: Bench) -> Iterator[str]:
    """Two steps, a checkpoint, two steps; and the same from the file of the checkpoint."""
    size = bench.scale.compared_at
    first = bench.trainer(size, *bench.scale.compared)
    for penalised in (True, False):
        step(first, penalised)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        save_state(path, first.state.state_dict(), keep=False)
        second = bench.trainer(size, *bench.scale.compared)
        second.state.load_state_dict(load_state(path))
    apart = []
    for _ in range(2):
        for trainer in (first, second):
            trainer.step(*trainer.batch())
        pairs = zip(first.state.G.state_dict().values(), second.state.G.state_dict().values(), strict=True)
        apart.append(max(float((a - b).abs().max()) for a, b in pairs))
    told = bench.check(max(apart) <= 1e-3, "resuming")
    how = "equal bit for bit" if max(apart) == 0 else f"G's weights at most {max(apart):.1e} apart"
    yield f"two steps after resuming: {how}: {told}"


def recorded(bench: Bench) -> Iterator[str]:
    """training.graphs beside usual steps: how fast at each size, and whether it is the same run."""
    if why := graphs.why_not(bench.device):
        yield f"left out: {why}"
        return
    yield "| px, batch | usual, ms | recorded, ms | usual / recorded | images/s | busy, usual | busy, recorded |"
    yield "|---|---|---|---|---|---|---|"
    yield from table_rows(bench.scale.sizes[::-1], partial(recorded_row, bench), columns=7)
    yield from same_run(bench)


def recorded_row(bench: Bench, size: int) -> str:
    """A step's time is the mean over plain and penalised ones as they come, without a wait between them."""
    n, seconds, busy = 0, {}, {}
    for how in ("off", "on"):
        trainer = bench.trainer(size, f"training.graphs={how}")
        n, steps = trainer.config.schedule.batch_size[size], bench.scale.rounds * trainer.config.loss.penalty_interval
        several_steps(trainer, warm_up_of(trainer))
        call = partial(several_steps, trainer, steps)
        seconds[how] = bench.seconds_of(call) / steps
        busy[how] = device_seconds(bench, call) / steps / seconds[how]
        del trainer, call
    return (
        f"| {size}, {n} | {1000 * seconds['off']:.1f} | {1000 * seconds['on']:.1f} "
        f"| {seconds['off'] / seconds['on']:.2f} | {n / seconds['on']:,.0f} | {busy['off']:.2f} | {busy['on']:.2f} |"
    )


def several_steps(trainer: Trainer, count: int) -> None:
    for _ in range(count):
        trainer.step(*trainer.batch())


def warm_up_of(trainer: Trainer) -> int:
    """Steps until each kind of step is recorded and was replayed once."""
    return (graphs.WARM_UP + 2) * trainer.config.loss.penalty_interval


def device_seconds(bench: Bench, call: Callable[[], Any]) -> float:
    """Of the kernels of a call, whose sum it is: they run one after the other."""
    card = bench.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if card else ProfilerActivity.CPU]) as watch:
        call()
        bench.synchronize()
    return sum(e.self_device_time_total if card else e.self_cpu_time_total for e in watch.key_averages()) / 1e6


def same_run(bench: Bench) -> Iterator[str]:
    """Two usual runs and a recorded one of the same images, whose state a usual one takes over."""
    size, options = bench.scale.compared_at, bench.scale.compared
    runs = [bench.trainer(size, *options, f"training.graphs={how}") for how in ("off", "off", "on")]
    usual, again, ours = runs
    for trainer in runs:
        several_steps(trainer, warm_up_of(trainer))
    between, apart = (weights_apart(usual, other) for other in (again, ours))
    told = bench.check(apart <= max(3 * between, 1e-6), "recorded steps")
    steps = warm_up_of(ours)
    yield f"{size} px, {steps} steps: recorded and usual {apart:.1e} apart, two usual ones {between:.1e}: {told}"
    other = bench.trainer(size, *options)
    other.state.load_state_dict(copy.deepcopy(ours.state.state_dict()))  # moments are taken over, not copied
    for trainer in (other, ours):
        several_steps(trainer, 2)
    apart = weights_apart(other, ours)
    yield f"a usual run that goes on from the recorded one: {apart:.1e} apart: {bench.check(apart <= 1e-3, 'going on')}"
    yield f"recorded to the end: {bench.check(not getattr(ours.take_step, 'given_up', True), 'recording')}"


def weights_apart(a: Trainer, b: Trainer) -> float:
    """The largest difference of the two generators' weights."""
    pairs = zip(a.state.G.parameters(), b.state.G.parameters(), strict=True)
    return max(float((x - y).detach().abs().max()) for x, y in pairs)


def compiled(bench: Bench) -> Iterator[str]:
    """training.compile at the largest size alone."""
    compiler = torch.compile
    with mock.patch.object(torch, "compile", lambda f: compiler(f, backend=bench.scale.backend)):
        start = time.perf_counter()
        trainer = bench.trainer(bench.largest, "training.compile=true")
        for penalised in (False, True):
            step(trainer, penalised)
        bench.synchronize()
        yield f"compiling and the first two steps: {time.perf_counter() - start:.0f} s"
        yield speed_row(bench, bench.largest, "training.compile=true")
    torch.compiler.reset()


def making(bench: Bench) -> Iterator[str]:
    """Images/s of generate() and of the report's features, at the largest size."""
    size, count = bench.largest, bench.scale.made
    G = bench.trainer(size).state.G_ema
    labels, seeds = torch.zeros(count, dtype=torch.int64), torch.arange(count)
    yield f"generate(), {size} px: {count / bench.seconds_of(lambda: generate(G, labels, seeds)):,.0f} images/s"
    from analysis import train_judge

    data = bench.data(size)
    judge = train_judge(data.at(size), data.labels, data.class_names, images_seen=64, device=bench.device)
    images = np.resize(data.at(size), (count, 1, size, size))
    yield f"the report's features, {size} px: {count / bench.seconds_of(lambda: judge.features(images)):,.0f} images/s"


def loader(bench: Bench) -> Iterator[str]:
    """The share of a step that its batch takes."""
    for size in bench.scale.sizes[:2]:
        if size not in bench.seconds:
            yield f"{size} px: left out: its step was not timed"
            continue
        trainer = bench.trainer(size)
        n = trainer.config.schedule.batch_size[size]
        share = bench.seconds_of(trainer.batch, 20) / (n * bench.seconds[size])
        yield f"{size} px: a batch of {n} takes {100 * share:.1f} % of a step"


def schedule(bench: Bench) -> Iterator[str]:
    """How long the shipped schedule takes here: steps, evaluations, grids and checkpoints, each as measured above."""
    shipped = load_config()
    stages = GrowthSchedule(**shipped.schedule.model_dump()).stages
    if missing := [s.resolution for s in stages if s.resolution not in bench.seconds]:
        yield f"left out: no speed at {', '.join(map(str, missing))} px"
        return
    steps = {s.resolution: (s.end - s.start) * bench.seconds[s.resolution] for s in stages}
    yield "steps: " + ", ".join(f"{r} px {seconds / 3600:.2f} h" for r, seconds in steps.items())
    trainer = bench.trainer(stages[-1].resolution)
    every, total = shipped.training, stages[-1].end / 1000
    with tempfile.TemporaryDirectory() as folder:
        grid = bench.seconds_of(lambda: save_samples(trainer.state.G_ema, Path(folder) / "grid.png"))
        saving = bench.seconds_of(lambda: save_state(Path(folder) / "checkpoint.pt", trainer.state.state_dict()))
    count = every.eval_samples * len(shipped.data.classes)
    labels, seeds = torch.zeros(bench.scale.made, dtype=torch.int64), torch.arange(bench.scale.made)
    of_one = bench.seconds_of(lambda: generate(trainer.state.G_ema, labels, seeds)) / bench.scale.made
    others = {
        "grids": grid * total / every.grid_kimg,
        "checkpoints": saving * total / every.checkpoint_kimg,
        "images of evaluations": of_one * count * total / every.eval_kimg if every.eval_kimg else 0.0,
    }
    yield "as dear as at the largest size: " + ", ".join(f"{name} {s / 3600:.2f} h" for name, s in others.items())
    yield f"together {(sum(steps.values()) + sum(others.values())) / 3600:.1f} h"


ROWS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "the machine": machine,
    "speed and memory": speed,
    "dearest kernels": kernels,
    "gradients": gradients,
    "no wait for the host": waits,
    "resuming": resume,
    "generating and judging": making,
    "the loader's share": loader,
    "the shipped schedule": schedule,
    "recorded steps": recorded,
    "batches that fit": batches,
    "compiled": compiled,  # last: it takes minutes
}
QUICK_ROWS = ("the machine", "speed and memory")


# ---------------------------------------------------------------- the page


def print_page(bench: Bench, rows: tuple[str, ...], end: float) -> None:
    """Each row as it is done; a fault of one ends no other."""
    for title in rows:
        print(f"\n## {title}", flush=True)
        if time.monotonic() > end:
            print("left out: the time is over; --minutes gives more")
            continue
        try:
            for line in ROWS[title](bench):
                print(line, flush=True)
        except ImportError as error:
            print(f"left out: {error}")
        except (MemoryError, RuntimeError, ValueError) as error:
            if is_out_of_memory(error):
                print("left out: out of memory")
            else:
                bench.check(False, title)
                print(f"WRONG: {(str(error).splitlines() or [type(error).__name__])[0]}")
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()


def find_card() -> torch.device:
    """Raises ValueError with what is missing."""
    would = "it would take at most 8 minutes of one card; --cpu runs every row small, here"
    if torch.version.cuda is None:
        raise ValueError(f"no card: this torch ({torch.__version__}) is built for CPUs; {would}")
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        told = str(error).splitlines()[0]
        if "driver" in told:
            told += f" (torch {torch.__version__} needs one for CUDA {torch.version.cuda} or later)"
        raise ValueError(f"no card: {told}; {would}") from None
    return torch.device("cuda")


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    p.add_argument("--quick", action="store_true", help="speed and memory at 64 and 256 px alone")
    p.add_argument("--cpu", action="store_true", help="every row, small, without a card")
    p.add_argument("--minutes", type=float, default=8, help="after these no further row begins (default: %(default)s)")
    args = p.parse_args(argv)
    end = time.monotonic() + 60 * args.minutes
    rows = QUICK_ROWS if args.quick else tuple(ROWS)
    with contextlib.ExitStack() as forms:
        if args.cpu:
            bench = Bench(torch.device("cpu"), SMALL)
            forms.enter_context(mock.patch.object(fir, "on_card", lambda x: True))
            forms.enter_context(mock.patch.object(fir, "why_no_kernel", lambda: "this is a CPU"))
            forms.enter_context(mock.patch.object(convolution, "DEVICES", {"cpu"}))
        else:
            try:
                bench = Bench(find_card(), QUICK if args.quick else FULL)
            except ValueError as error:
                print(f"python -m benchmarks.gpu: {error}", file=sys.stderr)
                return 2
        print_page(bench, rows, end)
    print(f"\n{'WRONG: ' + ', '.join(bench.wrong) if bench.wrong else 'nothing was found wrong'}")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

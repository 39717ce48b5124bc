"""How long the rest of a run will take here, from a few steps of each stage, on a trainer that is then thrown away."""

import math
import time
from collections.abc import Callable

import torch

from progan_style import memory
from progan_style.config import Config
from progan_style.files import SHORT, size_in_words, time_in_words
from progan_style.training.schedule import Stage
from progan_style.training.trainer import Trainer

SURELY = 2  # what is reckoned of a step's memory is more than it takes, by less than this
LONG = 24 * 3600  # seconds on a CPU, from which on a smaller configuration is named


def forecast(make: Callable[[], Trainer], nimg: int, until: int) -> tuple[dict[int, float], list[str]]:
    """The training from `nimg` images to the end of stage `until`: seconds of an image of each stage that is left, and
    what to say of it: how long, and what will not fit.

    make: a new trainer of the run. Evaluations, pictures and checkpoints are not in it.
    """
    trainer = make()
    of_image, trouble = seconds_of_image_by_stage(trainer, nimg, until)
    stages = {r: trainer.schedule.stage_of(r) for r in of_image}
    seconds = {r: each * (stages[r].end - max(nimg, stages[r].start)) for r, each in of_image.items()}
    lines = [f"forecast  {in_words(seconds)}"] * bool(seconds) + [f"warning: {trouble}"] * bool(trouble)
    if trainer.state.device.type == "cpu" and sum(seconds.values()) > LONG:
        lines.append("warning: no graphics card is used; for a CPU there are configs/cpu.yaml and configs/cpu256.yaml")
    return of_image, lines


def machine_line(trainer: Trainer, until: int) -> str:
    """What the training runs on and how large it is: device, threads, precision, weights, images in all."""
    device, dtype = trainer.state.device, trainer.recipe.amp_dtype
    threads = torch.get_num_threads()
    where = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    precision = "fp32" if dtype is None else str(dtype).removeprefix("torch.").replace("bfloat16", "bf16")
    weights = " and ".join(
        f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} million weights in {name}"
        for name, network in (("G", trainer.state.G), ("D", trainer.state.D))
    )
    return f"machine   {where}, {precision}; {weights}; {trainer.schedule.stage_of(until).end:,} images in all"


def seconds_of_image_by_stage(trainer: Trainer, nimg: int, until: int) -> tuple[dict[int, float], str]:
    """Seconds of an image at each resolution that is left; where one does not fit in memory, those before it and what
    to lower. Raises MemoryError if the first of them cannot fit on this CPU."""
    found: dict[int, float] = {}
    # On a CPU nothing is raised where memory runs out: the system kills the process. So it is reckoned, not tried.
    free = memory.free_bytes() if trainer.state.device.type == "cpu" else None
    end = trainer.schedule.stage_of(until).end
    for stage in trainer.schedule.stages:
        if nimg < stage.end <= end:
            if free is not None and (trouble := too_large(trainer.config, stage.resolution, free)):
                if not found and too_large(trainer.config, stage.resolution, SURELY * free):
                    raise MemoryError(trouble)  # before hours of the stages that come first, it is told alone
                return found, trouble
            try:
                with trainer.memory_is_told():
                    found[stage.resolution] = seconds_of_image(trainer, stage)
            except MemoryError as error:
                return found, str(error)
    return found, ""


def too_large(config: Config, resolution: int, free: int) -> str:
    """What to lower where a step of this size on a CPU takes more than `free` bytes; "" where it fits, or where nobody
    has measured what a plugin's networks take."""
    network, batch = config.network, config.schedule.batch_size[resolution]
    if network.name not in memory.MAPS:
        return ""
    image = memory.bytes_of_image(network.name, network.channel_base, network.channel_max, resolution)
    if batch * image <= free:
        return ""
    fits = memory.largest_batch(free, image)
    mend = f"lower schedule.batch_size.{resolution} to {fits}" if fits else "not even 4 images fit: lower"
    return (
        f"a step at {resolution} px with {batch} images takes about {size_in_words(batch * image)}, and "
        f"{size_in_words(free)} are free; {mend}{' or' if fits else ''} network.channel_base (in a new run)"
    )


def seconds_of_image(trainer: Trainer, stage: Stage) -> float:
    """Of an image at the end of a stage: of each kind of step one is timed, and counts as often as the kind comes.

    A step with D's penalty takes a multiple of one without, and the most memory. The first of each kind warms up.
    """
    n = trainer.schedule.at(stage.start).batch_size
    total = -(-(stage.end - stage.start) // n)
    interval, path_length = trainer.recipe.penalty_interval, trainer.state.path_length
    period = math.lcm(interval, path_length.interval)
    kinds: dict[tuple[bool, bool], list[int]] = {}  # whether D's penalty and G's are due -> the turns
    for turn in range(max(0, total - period), total):
        kinds.setdefault((turn % interval == 0, path_length.due(turn)), []).append(turn)
    seconds = 0.0
    for turns in kinds.values():
        once = 0.0
        for _ in ("warms up", "is timed"):
            trainer.state.nimg = stage.start + turns[-1] * n
            start = time.perf_counter()
            trainer.step(*trainer.batch())
            if trainer.state.device.type == "cuda":
                torch.cuda.synchronize(trainer.state.device)
            once = time.perf_counter() - start
        seconds += len(turns) * once
    return seconds / sum(map(len, kinds.values())) / n


def in_words(seconds: dict[int, float]) -> str:
    """{8: 12.0, 16: 130.0} -> "about 2 minutes of training here (8 px: under a minute, 16 px: 2 minutes)"."""
    stages = ", ".join(f"{r} px: {time_in_words(s)}" for r, s in seconds.items())
    total = time_in_words(sum(seconds.values()))
    words = f"{total if total == SHORT else f'about {total}'} of training here"
    return words + (f" ({stages})" if len(seconds) > 1 else "")

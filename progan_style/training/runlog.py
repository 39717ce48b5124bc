"""What a run keeps of its statistics: log.jsonl, TensorBoard, the plot of the losses."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from tqdm import tqdm

from progan_style import distributed
from progan_style.config import load_config
from progan_style.files import write_whole
from progan_style.training.board import Board
from progan_style.training.schedule import GrowthSchedule


class RunLog:
    """The log of a run's folder from image `nimg` on; lines after it, left by a run that was cut, are dropped."""

    def __init__(self, run_dir: Path, nimg: int):
        self.path = run_dir / "log.jsonl"
        kept = "".join(json.dumps(line) + "\n" for line in read_log(run_dir) if line["nimg"] <= nimg)
        if not self.path.is_file() or self.path.read_bytes() != kept.encode():
            write_whole(self.path, kept.encode())
        self.board = Board(run_dir / "tensorboard", nimg)

    def begin(self, call: dict[str, Any], nimg: int) -> None:
        """What this call of the training is, and for TensorBoard the run's configuration as well."""
        self.write(call, nimg)
        self.board.text("call", yaml.safe_dump(call, sort_keys=False), nimg)
        self.board.text("configuration", (self.path.parent / "config.yaml").read_text(encoding="utf-8"), nimg)

    def write(self, numbers: dict[str, Any], nimg: int, group: str = "training") -> None:
        """group: of TensorBoard's plots. Raises OSError, in one line, where the folder is gone or the disk is full."""
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"nimg": nimg, **numbers}) + "\n")
        except OSError as error:
            raise OSError(
                f"{self.path}: cannot be written ({error.strerror}); stopped at {nimg} images, and what was kept "
                f"before stays as it is"
            ) from None
        self.board.write(numbers, nimg, group)

    def close(self) -> None:
        self.board.close()


def say(text: str) -> None:
    """A line on the screen, above the progress bar if there is one; of several processes the first speaks."""
    distributed.say(text, tqdm.write)


def read_log(run_dir: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl; one that cannot be read, as a last one that was cut while it was written, is left out."""
    path = Path(run_dir) / "log.jsonl"
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and type(line.get("nimg")) is int:
            lines.append(line)
    return lines


def refuse_foreign(run_dir: str | Path) -> None:
    """Raises ValueError if a new run would write over a config.yaml or a log.jsonl that is not of a run."""
    folder = Path(run_dir)
    config, log = folder / "config.yaml", folder / "log.jsonl"
    mend = "name another folder with --run"
    if (folder / "checkpoint.pt").exists():
        return
    if config.is_file():
        try:
            load_config(config)
        except (ValueError, UnicodeError) as error:
            raise ValueError(f"{folder} holds a config.yaml that is not of a run ({error}); {mend}") from None
    if log.is_file() and log.stat().st_size and not read_log(folder):
        raise ValueError(f"{folder} holds a log.jsonl that is not of a run; {mend}")


def loss_points(lines: list[dict[str, Any]]) -> list[tuple[int, float, float]]:
    """The log's lines -> nimg, Loss_D, Loss_G of each point of the plot. Lines that lack one of its numbers have none.

    A stage ends where it ends, so that the lines beside it average few steps, and may hold a penalty or none. Such a
    line, of less than half the usual images, is averaged with its neighbour in the stage, by images.
    """
    numbers = ("nimg", "resolution", "loss_d", "loss_g")
    whole = [line for line in lines if all(type(line.get(name)) in (int, float) for name in numbers)]
    lines = []
    for line in whole:
        lines += [line] if line["nimg"] > (lines[-1]["nimg"] if lines else 0) else []
    images = [b["nimg"] - a for a, b in zip([0, *(line["nimg"] for line in lines)], lines, strict=False)]
    usual = median(images) if images else 0
    points: list[list[float]] = []  # resolution, nimg, images, Loss_D, Loss_G
    for line, n in zip(lines, images, strict=True):
        new = [line["resolution"], line["nimg"], n, line["loss_d"], line["loss_g"]]
        if points and points[-1][0] == new[0] and 2 * min(n, points[-1][2]) < usual:
            old = points.pop()
            share = n / (n + old[2])
            new[2:] = [n + old[2], *(a + share * (b - a) for a, b in zip(old[3:], new[3:], strict=True))]
        points.append(new)
    return [(int(nimg), loss_d, loss_g) for _, nimg, _, loss_d, loss_g in points]


def save_loss_plot(run_dir: Path, path: Path, schedule: GrowthSchedule, title: str) -> None:
    """Loss_D and Loss_G over the images seen, with a band for each stage, darker while it fades in."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = loss_points(read_log(run_dir))
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    ax = figure.subplots()
    kimg = [nimg / 1000 for nimg, _, _ in points]
    ax.plot(kimg, [loss_d for _, loss_d, _ in points], label="Loss_D", lw=1)
    ax.plot(kimg, [loss_g for _, _, loss_g in points], label="Loss_G", lw=1)
    last = kimg[-1] if kimg else 0.0
    for i, s in enumerate(schedule.stages):
        if s.start / 1000 >= last:
            break
        color = ("0.93", "0.97")[i % 2]
        ax.axvspan(s.start / 1000, min(s.end / 1000, last), color=color, zorder=-2)
        if s.fade:
            ax.axvspan(s.start / 1000, min((s.start + s.fade) / 1000, last), color="0.82", zorder=-1)
        ax.text(s.start / 1000, 1.0, f" {s.resolution}px", transform=ax.get_xaxis_transform(), va="top", fontsize=8)
    ax.set(xlabel="thousand images seen (dark band: fading in)", ylabel="loss")
    ax.set_title(title, parse_math=False)  # a $ in a run's name is a $
    ax.legend(loc="upper right", fontsize=8)
    FigureCanvasAgg(figure).print_figure(path)

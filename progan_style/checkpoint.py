"""One file out, one file in: the state of a run (checkpoint.pt) and single networks (safetensors).

Files hold tensors and plain Python only and are read with weights_only=True: opening one never runs code. What is read
is what was written: a checkpoint's parts have the sums of the zip format, a network's tensors one of their own. What a
file says of itself is checked once, here, before anybody believes it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from progan_style.described import Conditions
from progan_style.files import check_part, write_whole
from progan_style.networks import ARCHITECTURES
from progan_style.networks.contract import Discriminator, Growing
from progan_style.section import faults

Network = TypeVar("Network", bound=Growing)
FORMAT = 3
PREVIOUS = "checkpoint-previous.pt"


def save_state(path: Path, state: dict[str, Any], keep: bool = True) -> None:
    """Write a run's state; keep: the one before it stays beside it as checkpoint-previous.pt."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_whole(path, buffer.getvalue(), before=path.with_name(PREVIOUS) if keep else None)


def load_state(path: Path) -> dict[str, Any]:
    """Read what save_state wrote, on the CPU. Raises ValueError if it is something else, or has changed since."""
    open(path, "rb").close()  # a file that is not there, or may not be read, is told as such
    try:
        with zipfile.ZipFile(path) as parts:
            damaged = parts.testzip()  # torch.load does not look at the sums
        state = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception:  # unpickling a foreign file fails in many ways, an OSError for a place before its start is one
        damaged, state = "whole", None
    if damaged:
        raise ValueError(f"{path}: not a checkpoint of a run, or a damaged one")
    if not isinstance(state, dict) or type(state.get("format")) is not int or state["format"] != FORMAT:
        raise ValueError(f"{path}: expected a checkpoint of format {FORMAT}, got another file")
    return state


class Stages(BaseModel):
    model_config = ConfigDict(extra="allow")

    resolutions: list[int] = Field(min_length=1)


class Begun(BaseModel):
    """What another run's configuration is asked for (--init); a run's own is read as a whole."""

    model_config = ConfigDict(extra="allow")

    network: dict[str, str | int | float | bool | None]
    schedule: Stages


class Watched(BaseModel):
    """The watchdog's memory (training/recovery.py)."""

    gradients: dict[str, list[float]]
    good: int
    doubts: int
    rollbacks: int = Field(ge=0)


class Saved(BaseModel):
    """What the state of a run holds at least."""

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    config: Begun
    class_names: list[str]
    conditions: Conditions = Conditions()  # a run that was made before there were any has none
    data: dict[str, str]
    threads: int
    precision: Literal["bf16", "fp32"]
    device: str
    nimg: int = Field(ge=0, strict=True)
    moments_of: int
    best: dict[int, float]
    path_length: Tensor
    watchdog: Watched
    sums: dict[str, Tensor]
    steps: int
    G: dict[str, Tensor]
    D: dict[str, Tensor]
    G_ema: dict[str, Tensor]
    opt_G: dict[str, dict[str, Tensor]]
    opt_D: dict[str, dict[str, Tensor]]


def load_run(path: Path) -> dict[str, Any]:
    """The state of a run. Raises ValueError, in one line, if the file is damaged, or holds something else."""
    state = load_state(path)
    try:
        Saved.model_validate(state)
    except ValidationError as error:
        raise ValueError(f"{path}: not the state of a run: {faults(error)[0]}") from None
    return state


def newest_state(path: Path) -> tuple[dict[str, Any], Path]:
    """The state of a run to go on from, and its file: checkpoint.pt, or the one before it where that is damaged.

    Raises ValueError if neither can be read.
    """
    previous = path.with_name(PREVIOUS)
    try:
        return load_run(path), path
    except ValueError:
        if not previous.exists():
            raise
        return load_run(previous), previous


def transfer(
    network: Growing, weights: dict[str, torch.Tensor], rows: Mapping[str, tuple[Sequence[str], Sequence[str]]]
) -> list[str]:
    """Copy what fits by name and shape; returns the names of what does not fit.

    rows: tensors whose rows have names, such as classes: those of this network and of the other. A row goes by its
    name. Conditions that the other network does not have are laid out so that its images stay what they are
    (`adapted`).
    """
    unfit, weights = [], network.adapted(weights)
    with torch.no_grad():
        for name, mine in network.state_dict().items():
            theirs = weights.get(name)
            ours, others = rows.get(name, ((), ()))
            named = name in rows and theirs is not None and theirs.shape[1:] == mine.shape[1:]
            if theirs is not None and named and len(theirs) == len(others):
                for row, label in enumerate(ours):
                    if label in others:
                        mine[row] = theirs[others.index(label)]
            elif theirs is not None and theirs.shape == mine.shape:
                mine.copy_(theirs)
            elif not named:
                unfit.append(name)
    return unfit


def save_network(path: Path, network: Growing, header: dict[str, Any]) -> None:
    """One network as safetensors; the header (kind, architecture, arguments, classes, ...) travels as JSON."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    about = json.dumps(header | {"sha256": digest(tensors)})  # one entry: safetensors writes several in any order
    write_whole(path, safetensors_bytes(tensors, metadata={"progan_style": about}))


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of names, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].contiguous().numpy()
        total.update(f"{name} {values.dtype} {values.shape} ".encode())
        total.update(values.tobytes())
    return total.hexdigest()


class Header(BaseModel):
    """What a network's file says of itself."""

    model_config = ConfigDict(extra="allow", strict=True)

    kind: Literal["generator", "discriminator"]
    architecture: str
    arguments: dict[str, Any]
    class_names: list[Annotated[str, AfterValidator(lambda name: check_part(name, "class"))]] = Field(min_length=1)
    resolution: int
    nimg: int = Field(ge=0)
    seed: int
    positions: dict[str, Any] | None  # of the slices, where the network knows them; conditions: all others
    conditions: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> "Header":
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture: expected {', '.join(ARCHITECTURES)}, got {self.architecture}")
        names = {name.casefold() for name in self.class_names}
        if len(names) < len(self.class_names) or len(names) != self.arguments.get("num_classes"):
            raise ValueError(
                f"class_names: expected {self.arguments.get('num_classes')} different names, got {self.class_names}"
            )
        most = self.arguments.get("max_resolution")
        if not isinstance(most, int) or self.resolution not in (2**k for k in range(3, most.bit_length())):
            raise ValueError(f"resolution: expected a power of two from 8 to {most}, got {self.resolution}")
        try:
            described = Conditions.of(self.model_dump())
        except ValidationError as error:
            raise ValueError(f"conditions: {faults(error)[0]}") from None
        built = self.arguments.get("positions", False), self.arguments.get("conditions") or {}
        if built != (described.position is not None, described.sizes) or list(built[1]) != list(described.sizes):
            raise ValueError("conditions: expected those that its networks are built with, got others")
        if len(described.cells) not in (0, len(self.class_names)):
            raise ValueError(f"conditions: expected cells of {len(self.class_names)} classes")
        return self


def checked(header: Any, path: Path) -> dict[str, Any]:
    """A file's header. Raises ValueError, in one line, if it is none, or of an architecture that is not here."""
    if isinstance(header, dict) and "plugin" in header and header.get("architecture") not in ARCHITECTURES:
        named = check_part(header["plugin"], f"{path}: plugin")
        raise ValueError(f"{path}: its architecture comes from the plugin {named}; name it with --plugin {named}")
    try:
        Header.model_validate(header)
    except ValidationError as error:
        raise ValueError(f"{path}: the header of this network is wrong: {faults(error)[0]}") from None
    return dict(header)


def images_of(path: Path) -> int:
    """How many images a network's file says that it had seen; 0 if it says nothing that can be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return int(json.loads(file.metadata()["progan_style"])["nimg"])
    except Exception:  # a damaged file is told where it is used
        return 0


def load_network(path: str | Path, kind: str) -> Growing:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; python train.py writes it when the stage is finished")
    try:
        open(path, "rb").close()  # safe_open does not tell a file that may not be read from one that is none
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["progan_style"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (safe_open is no dict)
    except (PermissionError, MemoryError):
        raise
    except Exception:
        raise ValueError(f"{path}: not a network of this program (expected a {kind}.safetensors)") from None
    header = checked(header, path)
    found = digest(tensors)
    if header["kind"] != kind:
        raise ValueError(f"{path}: expected a {kind}, got a {header['kind']}")
    if header.pop("sha256", found) != found:
        raise ValueError(
            f"{path}: damaged: its tensors are not those that were written; take it from a backup, or train again"
        )
    if wrong := [name for name, values in tensors.items() if not bool(torch.isfinite(values).all())]:
        raise ValueError(f"{path}: {len(wrong)} of {len(tensors)} tensors are not finite ({wrong[0]}): nothing to use")
    try:
        network = build(header)
        network.load_state_dict(tensors)
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: its tensors do not make the network that its header tells of ({why})") from None
    return network


def build(header: dict[str, Any]) -> Growing:
    """A network with fresh weights from a header."""
    architecture = ARCHITECTURES[header["architecture"]]
    make = architecture.Generator if header["kind"] == "generator" else architecture.Discriminator
    network = make(**header["arguments"])
    network.class_names = tuple(header["class_names"])
    network.described = Conditions.of(header)
    network.nimg = header["nimg"]
    network.header = header
    network.grow(header["resolution"])
    return network.eval().requires_grad_(False)


def load_discriminator(path: str | Path) -> Discriminator:
    """The discriminator of a finished stage out of its file, as load_generator (run.py) loads the generator."""
    network = load_network(path, "discriminator")
    assert isinstance(network, Discriminator)
    return network


def untrained_like(network: Network, seed: int = 0) -> Network:
    """The same network with fresh weights: the other end of every scale of quality."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build(network.header)
    assert isinstance(fresh, type(network))
    return fresh.to(next(network.parameters()).device)

"""One file out, one file in: the state of a run (checkpoint.pt) and single networks (safetensors).

Files hold tensors and plain Python only and are read with weights_only=True: opening one never runs code.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes

from progan_style.files import write_whole
from progan_style.networks import ARCHITECTURES
from progan_style.networks.contract import Discriminator, Generator, Growing

Network = TypeVar("Network", bound=Growing)
FORMAT = 2
PREVIOUS = "checkpoint-previous.pt"


def save_state(path: Path, state: dict[str, Any], keep: bool = True) -> None:
    """Write a run's state; keep: the one before it stays beside it as checkpoint-previous.pt."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_whole(path, buffer.getvalue(), before=path.with_name(PREVIOUS) if keep else None)


def load_state(path: Path) -> dict[str, Any]:
    """Read what save_state wrote, on the CPU. Raises ValueError if it is something else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # unpickling a foreign file fails in many ways
        previous = path.with_name(PREVIOUS)
        hint = f"; {previous.name} is the one before it" if previous.exists() else ""
        raise ValueError(f"{path}: not a checkpoint of a run, or a damaged one{hint}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a checkpoint of format {FORMAT}, got another file")
    return state


def transfer(
    network: Growing, weights: dict[str, torch.Tensor], classes: Sequence[str], their_classes: Sequence[str]
) -> list[str]:
    """Copy what fits by name and shape, per class by the class's name; returns the names of what does not fit.

    Conditions that the other network does not have are laid out so that its images stay what they are (`adapted`).
    """
    unfit, weights = [], network.adapted(weights)
    with torch.no_grad():
        for name, mine in network.state_dict().items():
            theirs = weights.get(name)
            per_class = name in network.per_class and theirs is not None and theirs.shape[1:] == mine.shape[1:]
            if theirs is not None and per_class and len(theirs) == len(their_classes):
                for row, label in enumerate(classes):
                    if label in their_classes:
                        mine[row] = theirs[their_classes.index(label)]
            elif theirs is not None and theirs.shape == mine.shape:
                mine.copy_(theirs)
            elif not per_class:
                unfit.append(name)
    return unfit


def save_network(path: Path, network: Growing, header: dict[str, Any]) -> None:
    """One network as safetensors; the header (kind, architecture, arguments, classes, ...) travels as JSON."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    write_whole(path, safetensors_bytes(tensors, metadata={"progan_style": json.dumps(header)}))


def load_network(path: str | Path, kind: str) -> Growing:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; python train.py writes it when the stage is finished")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["progan_style"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (safe_open is no dict)
        found = header["kind"]
        network = build(header)
        network.load_state_dict(tensors)
    except Exception:
        raise ValueError(f"{path}: not a network of this program (expected a {kind}.safetensors)") from None
    if found != kind:
        raise ValueError(f"{path}: expected a {kind}, got a {found}")
    return network


def build(header: dict[str, Any]) -> Growing:
    """A network with fresh weights from a header."""
    architecture = ARCHITECTURES[header["architecture"]]
    make = architecture.Generator if header["kind"] == "generator" else architecture.Discriminator
    network = make(**header["arguments"])
    network.class_names = tuple(header["class_names"])
    network.nimg = header["nimg"]
    network.header = header
    network.grow(header["resolution"])
    return network.eval().requires_grad_(False)


def load_generator(path: str | Path) -> Generator:
    """The EMA generator of a finished stage, in eval mode, fp32, on the CPU, grown to its resolution.

    class_names gives the meaning of its labels. Raises FileNotFoundError, or ValueError for any other file.
    """
    network = load_network(path, "generator")
    assert isinstance(network, Generator)
    return network


def load_discriminator(path: str | Path) -> Discriminator:
    """The discriminator of a finished stage; see load_generator."""
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

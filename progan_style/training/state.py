"""The state of a run: all that a step changes and a checkpoint keeps.

The image counter `nimg` is the only clock: schedule, data order and random numbers are functions of it and of the
seed. A checkpoint is then weights, optimiser moments and one integer, and resuming is running the same command again.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from progan_style import distributed
from progan_style.checkpoint import load_run, transfer
from progan_style.config import Config
from progan_style.described import Category, Conditions
from progan_style.networks import ARCHITECTURES
from progan_style.networks.contract import Discriminator, Generator, Growing
from progan_style.networks.layers import weights_channels_last
from progan_style.plugins import origin
from progan_style.training import runlog
from progan_style.training.augment import Augment
from progan_style.training.meter import Meter
from progan_style.training.moments import Moments, make_adam
from progan_style.training.path_length import PathLength
from progan_style.training.recovery import Watchdog
from progan_style.training.schedule import Phase

NETWORKS = ("G", "D", "G_ema")


class Average:
    """G_ema, which follows G."""

    def __init__(self, G_ema: Generator, G: Generator):
        self.G_ema, self.G = G_ema, G

    @torch.no_grad()
    def update(self, keep: Tensor) -> None:
        """G_ema <- G_ema + (1 - keep) (G - G_ema); keep, a scalar: the share of G_ema that stays. Buffers are G's own.

        Not _foreach_lerp_: it takes a share that the host knows, which a recorded step (graphs.py) would keep.
        """
        kept, new = (cast(list[Tensor], list(network.parameters())) for network in (self.G_ema, self.G))
        apart = list(torch._foreach_sub(new, kept))
        torch._foreach_mul_(apart, 1.0 - keep)
        torch._foreach_add_(kept, apart)
        for of_average, of_G in zip(self.G_ema.buffers(), self.G.buffers(), strict=True):
            of_average.copy_(of_G)


class State:
    """Networks, optimisers, running values, counter. described: what images are conditioned on beside the class."""

    def __init__(self, config: Config, device: torch.device, augment: Augment | None, described: Conditions):
        self.config, self.device, self.augment, self.described = config, device, augment, described
        self.arguments = network_arguments(config, described)
        if config.network.name not in ARCHITECTURES:
            raise ValueError(f"network.name: {config.network.name} is of a plugin that is not loaded; see --plugin")
        architecture = ARCHITECTURES[config.network.name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.G: Generator = architecture.Generator(**self.arguments["generator"])
            self.D: Discriminator = architecture.Discriminator(**self.arguments["discriminator"])
        for network in (self.G, self.D):
            weights_channels_last(network.to(device))
        self.G_ema = deepcopy(self.G).eval().requires_grad_(False)
        self.G_ema.class_names, self.G_ema.described = tuple(config.data.classes), described
        self.average = Average(self.G_ema, self.G)
        self.opt_G, self.opt_D = (make_adam(network, config.training.adam_betas) for network in (self.G, self.D))
        self.path_length = PathLength(config.loss.path_length, config.loss.path_length_interval, device)
        self.meter = Meter(device)
        self.watchdog = Watchdog()
        self.best: dict[int, float] = {}  # resolution -> lowest KID so far
        self.nimg = 0
        self.moments_of = 0  # the resolution that the optimisers' moments belong to
        self.synthesis, self.features = self.G.synthesis, self.D.features  # compiled where that is asked for
        self.compiled_for = 0
        self.bound = 0  # how often tensors that a step changes became other ones: a recorded step is then void

    # ---------------------------------------------------------------- in a step

    def enter(self, phase: Phase) -> None:
        """Give the networks their size and label weight, the optimisers their rates; at a new size drop the moments.

        They were gathered from images of another size (ProGAN's `reset_opt_for_new_lod`). ProGAN drops them a second
        time when the fade is over; here they are kept then, since no layer is new.
        """
        for network in (self.G, self.D, self.G_ema):
            network.grow(phase.resolution, phase.alpha)
        for part in (self.G.mapping, self.D):
            part.label_weight.fill_(phase.label_weight)
        for optimizer, rate in ((self.opt_G, phase.lr_g), (self.opt_D, phase.lr_d)):
            for group in optimizer.param_groups:  # a checkpoint's own say what they were where it was made
                group |= {"lr": rate * self.watchdog.rate, "capturable": self.device.type == "cuda"}
            if phase.resolution != self.moments_of:
                optimizer.state.clear()
                self.bound += 1
        if self.config.training.compile and phase.resolution != self.compiled_for:
            torch.compiler.reset()  # the programs of the stage before
            self.synthesis, self.features = torch.compile(self.G.synthesis), torch.compile(self.D.features)
            self.compiled_for = phase.resolution
        self.moments_of = phase.resolution

    def settle(self) -> None:
        """Running statistics that a step gathered move once, with the sums of all ranks (networks/__init__.py)."""
        running = list(self._running())
        distributed.add(part.sums for part in running)
        for part in running:
            part.settle()

    def _running(self) -> Iterator[Any]:
        for network in (self.G, self.D):
            yield from (module for module in network.modules() if hasattr(module, "settle"))
        yield self.path_length
        if self.augment:
            yield self.augment

    # ---------------------------------------------------------------- checkpoints

    def state_dict(self) -> dict[str, Any]:
        return {
            "nimg": self.nimg,
            "moments_of": self.moments_of,
            "best": self.best,
            "path_length": self.path_length.mean,
            "watchdog": self.watchdog.state(),
            "conditions": self.described.model_dump(),
            **self.meter.state_dict(),
            **{name: part.state_dict() for name, part in self._parts().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, bit for bit on the CPU at the same number of threads."""
        self.nimg, self.moments_of, self.best = state["nimg"], state["moments_of"], state["best"]
        self.path_length.mean.copy_(state["path_length"])
        self.watchdog.load(state["watchdog"])
        self.meter.load_state_dict(state)
        for name, part in self._parts().items():
            if isinstance(part, Moments) and self.nimg and not state[name]:
                raise ValueError(f"{name} is empty, after {self.nimg} images")
            part.load_state_dict(state[name])
        self.bound += 1

    def _parts(self) -> dict[str, Any]:
        """Those that know their own state."""
        moments = {"opt_G": Moments(self.opt_G, self.G), "opt_D": Moments(self.opt_D, self.D)}
        parts = {name: getattr(self, name) for name in NETWORKS} | moments
        return parts | ({"augment": self.augment} if self.augment else {})

    def start_from(self, path: Path) -> None:
        """Begin with the weights of another run where names and shapes agree; moments and counter stay fresh.

        Classes and conditions that the other run did not have begin so that its images stay what they are. Raises
        ValueError if most of a network does not fit.
        """
        state = load_run(path)
        classes, their_classes = self.config.data.classes, state["class_names"]
        theirs = Conditions.model_validate(state.get("conditions", {}))
        new = [f"class {name}" for name in classes if name not in their_classes]
        new += ["positions"] if self.described.position and "mapping.position.dense.weight" not in state["G"] else []
        new += [f"condition {name}" for name in self.described.sizes if name not in theirs.sizes]
        gone = [f"class {name}" for name in their_classes if name not in classes]
        gone += ["positions"] if theirs.position and not self.described.position else []
        gone += [f"condition {name}" for name in theirs.sizes if name not in self.described.sizes]
        tables = tables_of(self.described, theirs)
        told = [f"{what}: {', '.join(names)}" for what, names in (("new here", new), ("dropped", gone)) if names]
        runlog.say("; ".join([f"the networks begin with {path}", *told]))
        for name in NETWORKS:
            network: Growing = getattr(self, name)
            rows = tables | dict.fromkeys(network.per_class, (classes, their_classes))
            unfit, count = transfer(network, state[name], rows), len(network.state_dict())
            unlike = self._unlike(state["config"])
            if 2 * len(unfit) > count:
                mend = (
                    f" ({unlike}); set these as there" if unlike else ", though its configuration does: it is damaged"
                )
                raise ValueError(f"{path}: {len(unfit)} of {count} tensors do not fit{mend}")
            if unfit and name != "G_ema":
                why = f" ({unlike})" if unlike else ""
                runlog.say(f"{len(unfit)} of {count} tensors of {name} begin anew{why}: {', '.join(unfit)}")

    def _unlike(self, theirs: dict[str, Any]) -> str:
        """Which keys make the networks of another run's configuration other ones than these."""
        here, there = self.config.network.model_dump(), theirs["network"]
        pairs = {f"network.{key}": (here[key], there.get(key)) for key in here}
        pairs["the last of schedule.resolutions"] = (
            self.config.schedule.resolutions[-1],
            theirs["schedule"]["resolutions"][-1],
        )
        return "; ".join(f"{key}: here {a}, there {b}" for key, (a, b) in pairs.items() if a != b)

    def header(self, kind: str, resolution: int) -> dict[str, Any]:
        """What the file of a network says of it; of an architecture that is a plugin's, the plugin."""
        plugin = origin("architecture", self.config.network.name)
        about = {
            "kind": kind,
            "architecture": self.config.network.name,
            "arguments": self.arguments[kind],
            "class_names": list(self.config.data.classes),
            "resolution": resolution,
            "nimg": self.nimg,
            "seed": self.config.seed,
        }
        return about | self.described.header() | ({"plugin": plugin} if plugin else {})


def tables_of(ours: Conditions, theirs: Conditions) -> dict[str, tuple[list[str], list[str]]]:
    """The tensors that have a row for each category -> the categories here and there; the last row is the unknown."""
    names = [{one.column: one.names for one in known.others if isinstance(one, Category)} for known in (ours, theirs)]
    return {
        f"{part}conditions.of_{column}.table": ([*names[0][column], ""], [*names[1][column], ""])
        for column in names[0].keys() & names[1].keys()
        for part in ("mapping.", "")
    }


def network_arguments(config: Config, described: Conditions) -> dict[str, dict[str, Any]]:
    """What the generator and the discriminator of a configuration are built with."""
    sizes = config.network.model_dump(exclude={"name"})
    shared = {
        "num_classes": len(config.data.classes),
        "max_resolution": config.schedule.resolutions[-1],
        "channel_base": sizes["channel_base"],
        "channel_max": sizes["channel_max"],
        "positions": described.position is not None,
        "conditions": described.sizes,
    }
    conditioning = config.conditioning.make()
    of_D = {"in_logit": conditioning.in_logit, "taught": conditioning.class_weight > 0}
    return {"generator": {**shared, **sizes}, "discriminator": {**shared, **of_D}}

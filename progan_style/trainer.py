"""The state of a run, one step, and the loop with its upkeep.

The image counter `nimg` is the only clock: schedule, data order and random numbers are functions of it and of the
seed. A checkpoint is then weights, optimiser moments and one integer, and resuming is running the same command again.

Letters: N batch, R resolution, L styles.
"""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from progan_style import distributed, rng, runlog
from progan_style.augment import CALLS_OF_D, STRENGTHS, Augment, arguments_of
from progan_style.checkpoint import PREVIOUS, load_state, save_network, save_state, transfer
from progan_style.conditioning import CONDITIONINGS, scale_gradient
from progan_style.config import Config, parse_config, refuse_changes, save_config
from progan_style.data.dataset import Dataset
from progan_style.data.position import Positions
from progan_style.losses import LOSSES, Terms
from progan_style.networks import ARCHITECTURES
from progan_style.networks.layers import Growing, class_of, fade_reals
from progan_style.networks.mapping import mix_styles
from progan_style.path_length import SHARE, PathLength
from progan_style.run import stage_dir
from progan_style.sampling import save_samples, to_float
from progan_style.schedule import GrowthSchedule, Phase, Stage
from progan_style.shell import is_out_of_memory
from progan_style.watchdog import ROLLBACKS, Watchdog, not_finite

Evaluate = Callable[[Growing, Phase], dict[str, float]]


class Critic:
    """images -> logits, with augmentation, labels and precision filled in; keeps what it computed for the log.

    augment: images and the number of the call, from 0 -> images.
    """

    def __init__(
        self,
        D: Growing,
        labels: Tensor,
        amp: Callable[[bool], Any],
        features: Callable[[Tensor], Tensor] | None = None,
        augment: Callable[[Tensor, int], Tensor] | None = None,
    ):
        self.D, self.labels, self.amp, self.augment = D, labels, amp, augment
        self.features = features or D.features  # of images without a penalty; a compiled pass has no second derivative
        self.seen: list[tuple[Tensor, Tensor]] = []  # features, with their graph, and logits of each call

    def __call__(self, images: Tensor) -> Tensor:
        # Images that carry a penalty are leaves that require gradients: all of their forward runs in fp32, since the
        # penalty differentiates it twice.
        penalised = images.is_leaf and images.requires_grad
        if self.augment is not None:
            images = self.augment(images, len(self.seen))
        with self.amp(not penalised):
            features = (self.D.features if penalised else self.features)(images)  # type: ignore[operator]
        logits = self.D.logits(features, self.labels)  # type: ignore[operator]
        self.seen.append((features, logits.detach()))
        return logits


class Trainer:
    """A run: networks, optimisers, counter. Built from a Config and the training part of the data."""

    def __init__(self, config: Config, data: Dataset, device: str | torch.device = "cpu"):
        self.config, self.data = config, data
        self.device = torch.device(device)
        self.schedule = GrowthSchedule(**config.schedule.model_dump())
        column = config.data.position_column
        self.positions = Positions.of(data, column) if column else None
        self.rank, self.ranks = distributed.rank(), distributed.world()
        refuse_uneven(config, self.ranks)
        self.loss = LOSSES[config.loss.name]()
        self.conditioning = CONDITIONINGS[config.conditioning.name]
        weights = config.conditioning
        self.class_weight = self.conditioning.class_weight if weights.class_weight is None else weights.class_weight
        own = self.conditioning.generator_weight if weights.generator_weight is None else weights.generator_weight
        self.generator_weight = own or 0.0
        self.augment = make_augment(config, self.loss.has_zero, self.device)
        self.amp_dtype = choose_precision(config.training.precision, self.device)
        architecture = ARCHITECTURES[config.network.name]
        sizes = config.network.model_dump(exclude={"name"})
        shared = {
            "num_classes": len(config.data.classes),
            "max_resolution": config.schedule.resolutions[-1],
            "channel_base": sizes["channel_base"],
            "channel_max": sizes["channel_max"],
            "positions": self.positions is not None,
        }
        in_logit = {"in_logit": self.conditioning.in_logit}
        self.arguments = {"generator": {**shared, **sizes}, "discriminator": {**shared, **in_logit}}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            G = architecture.Generator(**self.arguments["generator"])
            D = architecture.Discriminator(**self.arguments["discriminator"])
        self.G = G.to(self.device, memory_format=torch.channels_last).train()
        self.D = D.to(self.device, memory_format=torch.channels_last).train()
        self.G_ema = deepcopy(self.G).eval().requires_grad_(False)
        self.G_ema.class_names = tuple(config.data.classes)
        betas, fused = config.training.adam_betas, self.device.type in ("cpu", "cuda")
        self.opt_G = torch.optim.Adam(self.G.parameters(), lr=1.0, betas=betas, eps=1e-8, fused=fused)
        self.opt_D = torch.optim.Adam(self.D.parameters(), lr=1.0, betas=betas, eps=1e-8, fused=fused)
        self.path_length = PathLength(config.loss.path_length, config.loss.path_length_interval, self.device)
        # Gathered in a step, settled at its end (networks/__init__.py)
        self.running: list[Any] = [m for network in (self.G, self.D) for m in network.modules() if hasattr(m, "settle")]
        self.running += [self.path_length, *([self.augment] if self.augment else [])]
        self.synthesis, self.features = self.G.synthesis, self.D.features  # compiled where that is asked for
        self.compiled_for = 0
        self.nimg = 0
        self.moments_of = 0  # the resolution that the optimisers' moments belong to
        self.best: dict[int, float] = {}  # resolution -> lowest KID so far
        self.sums: dict[str, Tensor] = {}  # statistics since the last line of the log
        self.steps = 0
        self.watchdog = Watchdog()

    # ---------------------------------------------------------------- one step

    def amp(self, enabled: bool = True) -> contextlib.AbstractContextManager:
        """Mixed precision, where the device has it and the caller wants it."""
        return torch.autocast(
            self.device.type, dtype=self.amp_dtype or torch.bfloat16, enabled=enabled and self.amp_dtype is not None
        )

    def step(self, images: Tensor, labels: Tensor) -> Terms:
        """One update of D, one of G, the EMA: uint8 images [N, 1, R, R], labels [N] -> the terms of both losses.

        Labels may be conditions [N, K + 1] (layers.split_condition), where the networks know positions.
        N is this rank's part of the batch (`share`); the terms are its means.
        """
        phase = self.schedule.at(self.nimg)
        self._enter(phase)
        index = self._index(phase)
        assert len(images) == len(index) and images.shape[-1] == phase.resolution, (images.shape, phase)
        reals = fade_reals(to_float(images), phase.alpha)
        fakes = self._fakes(index, labels)  # one batch serves both updates: D sees it detached, G through the updated D
        terms_d = self._update_D(reals, fakes, labels, phase)
        terms_g = self._update_G(reals, fakes, labels, index, phase)
        distributed.add(m.sums for m in self.running)
        for module in self.running:
            module.settle()
        self._update_ema(phase.batch_size)
        self.nimg += phase.batch_size
        self.steps += 1
        return {f"D/{k}": v for k, v in terms_d.items()} | {f"G/{k}": v for k, v in terms_g.items()}

    def _batch(self, phase: Phase) -> tuple[Tensor, Tensor]:
        """This rank's reals of the next step and what they are conditioned on."""
        seed, (first, n) = self.config.seed, self.share(phase)
        balanced = self.config.data.sampling == "balanced"
        images, labels = self.data.batch(seed, first, n, phase.resolution, self.device, balanced)
        if self.positions is not None:
            rows = self.data.indices(seed, first, n, balanced)
            labels = self.positions.beside(labels, rows, len(self.config.data.classes))
        return images, labels

    def critic(self, labels: Tensor, index: Tensor, first_call: int = 0) -> Critic:
        """D as the loss sees it, for images numbered `index`; first_call: of the step, for the augmentation."""
        augment = partial(self.augment, index=index, first_call=first_call) if self.augment else None
        return Critic(self.D, labels, self.amp, self.features, augment)

    def share(self, phase: Phase) -> tuple[int, int]:
        """This rank's part of the step's batch: the number of its first image in the run, and how many."""
        n = phase.batch_size // self.ranks
        return self.nimg + self.rank * n, n

    def _index(self, phase: Phase) -> Tensor:
        """The numbers of this rank's images of the step, [N]."""
        first, n = self.share(phase)
        return torch.arange(first, first + n, device=self.device)

    def _fakes(self, index: Tensor, labels: Tensor) -> Tensor:
        """G's images numbered `index`, with their graph: [N], [N] -> [N, 1, R, R]."""
        with self.amp():
            ws = self._styles(index, labels)
            with self.amp(False):
                self.G.mapping.track(ws, class_of(labels))
            return self.synthesis(ws, rng.normal(self.config.seed, "noise", index, self.G.noise_size))

    def _update_D(self, reals: Tensor, fakes: Tensor, labels: Tensor, phase: Phase) -> Terms:
        """One step of D, every penalty_interval-th of a stage with the penalty; the probe learns beside it.

        A penalised batch goes through in parts, whose gradients add up: the graph of a gradient's gradient is the
        peak of a training's memory.
        """
        interval = self.config.loss.penalty_interval
        penalised = phase.r1_gamma > 0 and self._step_of_stage(phase) % interval == 0
        gamma = phase.r1_gamma * interval if penalised else 0.0
        parts = parts_of(len(reals)) if penalised else 1
        self.opt_D.zero_grad(set_to_none=True)
        terms: Terms = {}
        index = self._index(phase)
        u = rng.uniform(self.config.seed, "penalty", index, 1)[:, 0]
        batch = (reals, fakes.detach(), labels, index, u)
        logits: list[Tensor] = []  # of reals and fakes, [2, N] of each part
        for x, fake, y, numbers, chance in zip(*(tensor.chunk(parts) for tensor in batch), strict=True):
            critic = self.critic(y, numbers)
            part = self._backward_D(critic, x, fake, chance, gamma, 1.0 / parts, phase.label_weight)
            terms = {key: terms.get(key, 0.0) + value for key, value in part.items()}
            logits.append(torch.stack([critic.seen[0][1], critic.seen[1][1]]))
        if self.augment:
            self._count(augment_p=self.augment.p, r_t=self.augment.watch(*torch.cat(logits, dim=1)))
        distributed.add(gradients(self.D), divide=True)
        # The penalty counts in the steps that have it, times its interval: on average what it adds per step.
        self._count(loss_d=sum(terms.values()), grad_d=gradient_norm(self.D))
        self.opt_D.step()
        return terms

    def _backward_D(
        self, critic: Critic, reals: Tensor, fakes: Tensor, u: Tensor, gamma: float, share: float, label_weight: float
    ) -> Terms:
        """Gradients of a part of the batch, weighted by its share of it; returns the terms with that weight."""
        terms = self.loss.discriminator(critic, reals, fakes, gamma, u)
        classes = class_of(critic.labels)
        # The class head learns at its full rate; what of its gradient goes on into the trunk is the conditioning's.
        seen = [features for features, _ in critic.seen[: 2 if self.conditioning.fakes_too else 1]]
        heard = [self.D.class_logits(scale_gradient(f, self.class_weight * label_weight)) for f in seen]
        on_classes = [F.cross_entropy(class_logits, classes) for class_logits in heard]
        (share * torch.stack([*terms.values(), *on_classes]).sum()).backward()
        right = (heard[0].detach().argmax(dim=1) == classes).float().mean()
        real_logits, fake_logits = (logits for _, logits in critic.seen[:2])
        middle = 0.0 if self.loss.has_zero else fake_logits
        self._count(real_pred=share * (real_logits - middle).sigmoid().mean(), real_class_acc=share * right)
        self._count(margin=share * (real_logits.mean() - fake_logits.mean()))
        return {key: share * term.detach() for key, term in terms.items()}

    def _step_of_stage(self, phase: Phase) -> int:
        return (self.nimg - self.schedule.stage(self.nimg).start) // phase.batch_size

    def _update_G(self, reals: Tensor, fakes: Tensor, labels: Tensor, index: Tensor, phase: Phase) -> Terms:
        """One step of G through the updated D; where it is due, with the path length penalty."""
        self.D.requires_grad_(False)
        critic = self.critic(labels, index, CALLS_OF_D)
        terms = self.loss.generator(critic, reals, fakes)
        if self.generator_weight:
            class_logits = self.D.class_logits(critic.seen[-1][0])  # of the fakes
            weight = self.generator_weight * phase.label_weight
            terms["class"] = weight * F.cross_entropy(class_logits, class_of(labels))
        self.opt_G.zero_grad(set_to_none=True)
        sum(terms.values()).backward()  # type: ignore[union-attr]
        self.D.requires_grad_(True)
        if self.path_length.due(self._step_of_stage(phase)):
            terms["path_length"] = self._backward_path(index[::SHARE], labels[::SHARE])
        distributed.add(gradients(self.G), divide=True)
        self._count(loss_g=sum(v.detach() for v in terms.values()), grad_g=gradient_norm(self.G))
        self.opt_G.step()
        return {key: term.detach() for key, term in terms.items()}

    def _backward_path(self, index: Tensor, labels: Tensor) -> Tensor:
        """Gradients of the path length penalty on the images numbered `index`, made again, all in fp32.

        After those of the loss, whose graph is then gone: never both in memory.
        """
        with self.amp(False):
            ws, seed = self._styles(index, labels), self.config.seed
            images = self.G.synthesis(ws, rng.normal(seed, "noise", index, self.G.noise_size))
            penalty = self.path_length.penalty(images, ws, rng.normal(seed, "path", index, images[0].numel()))
            penalty.backward()
        return penalty.detach()

    def _enter(self, phase: Phase) -> None:
        """Give the networks their size and label weight, the optimisers their rates; at a new size drop the moments.

        They were gathered from images of another size (ProGAN's `reset_opt_for_new_lod`). ProGAN drops them a second
        time when the fade is over; here they are kept then, since no layer is new.
        """
        for network in (self.G, self.D, self.G_ema):
            network.grow(phase.resolution, phase.alpha)
        for part in (self.G.mapping, self.D):
            part.label_weight.fill_(phase.label_weight)
        for optimizer, rate in ((self.opt_G, phase.lr_g), (self.opt_D, phase.lr_d)):
            for group in optimizer.param_groups:
                group["lr"] = rate * self.watchdog.rate
            if phase.resolution != self.moments_of:
                optimizer.state.clear()
        if self.config.training.compile and phase.resolution != self.compiled_for:
            torch.compiler.reset()  # the programs of the stage before
            self.synthesis, self.features = torch.compile(self.G.synthesis), torch.compile(self.D.features)
            self.compiled_for = phase.resolution
        self.moments_of = phase.resolution

    def _styles(self, index: Tensor, labels: Tensor) -> Tensor:
        """The mixed styles of the images numbered `index`: [N], [N] -> ws [N, L, W]."""
        seed, z_dim = self.config.seed, self.G.mapping.z_dim
        z = rng.normal(seed, "latent", index, 2 * z_dim)
        ws = self.G.mapping(z[:, :z_dim], labels)
        if self.config.training.style_mixing > 0:
            other = self.G.mapping(z[:, z_dim:], labels)
            u = rng.uniform(seed, "mixing", index, 2)
            ws = mix_styles(ws, other, u, self.G.active_layers, self.config.training.style_mixing)
        return ws

    def ema_keep(self, n: int) -> float:
        """The share of G_ema that a step of n images keeps: a half-life in images, shorter at the start.

        StyleGAN2-ADA's ramp-up.
        """
        training = self.config.training
        half_life = min(training.ema_half_life_kimg * 1000, max(self.nimg, 1) * training.ema_rampup)
        return 0.5 ** (n / max(half_life, 1e-8))

    @torch.no_grad()
    def _update_ema(self, n: int) -> None:
        """G_ema <- lerp(G_ema, G)."""
        torch._foreach_lerp_(list(self.G_ema.parameters()), list(self.G.parameters()), 1.0 - self.ema_keep(n))
        for kept, new in zip(self.G_ema.buffers(), self.G.buffers(), strict=True):
            kept.copy_(new)

    @torch.no_grad()
    def _count(self, **values: Any) -> None:
        for key, value in values.items():
            # In place and on the device: nothing waits for the GPU until a line is printed.
            self.sums.setdefault(key, torch.zeros((), device=self.device)).add_(value)

    def _means(self) -> dict[str, float]:
        """Of the statistics since the last line; of all ranks, once their sums are added."""
        return {k: float(v) / max(self.steps, 1) for k, v in self.sums.items()}

    def _statistics(self) -> dict[str, Any]:
        """The means, and the phase of the last step. The next line begins."""
        phase, rate = self.last_phase(), self.watchdog.rate
        numbers = {"resolution": phase.resolution, "alpha": phase.alpha}
        numbers |= {"lr_d": phase.lr_d * rate, "lr_g": phase.lr_g * rate} | self._means()
        self.sums, self.steps = {}, 0
        return numbers

    # ---------------------------------------------------------------- checkpoints

    def state(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(mode="json"),
            "class_names": list(self.config.data.classes),
            "data": self._data_digest(),
            "threads": torch.get_num_threads(),
            "nimg": self.nimg,
            "moments_of": self.moments_of,
            "best": self.best,
            "path_length": self.path_length.mean,
            "sums": self.sums,
            "steps": self.steps,
            "watchdog": self.watchdog.state(),
            "G": self.G.state_dict(),
            "D": self.D.state_dict(),
            "G_ema": self.G_ema.state_dict(),
            "opt_G": self.opt_G.state_dict(),
            "opt_D": self.opt_D.state_dict(),
            **({"augment": self.augment.state_dict()} if self.augment else {}),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, bit for bit on the CPU at the same number of threads."""
        self.nimg, self.moments_of = state["nimg"], state["moments_of"]
        self.best, self.steps = state["best"], state["steps"]
        self.path_length.mean.copy_(state["path_length"])
        self.sums = {k: v.to(self.device) for k, v in state["sums"].items()}
        self.watchdog.load(state["watchdog"])
        for name in ("G", "D", "G_ema", "opt_G", "opt_D", *(["augment"] if self.augment else [])):
            getattr(self, name).load_state_dict(state[name])

    def start_from(self, path: Path) -> None:
        """Begin with the weights of another run where names and shapes agree; moments and counter stay fresh.

        Classes that the other run did not have begin anew. Raises ValueError if most of a network does not fit, or if
        an architecture that does not grow is of another resolution.
        """
        state = load_state(path)
        here, there = (c["schedule"]["resolutions"][-1] for c in (self.config.model_dump(), state["config"]))
        if not ARCHITECTURES[self.config.network.name].GROWS and here != there:  # its blocks count from the image
            raise ValueError(
                f"{path}: a run to {there} px does not begin {self.config.network.name} at {here} px; expected the "
                f"same last of schedule.resolutions"
            )
        for name in ("G", "D", "G_ema"):
            network = getattr(self, name)
            classes, theirs = list(self.config.data.classes), list(state["class_names"])
            fresh = transfer(network, state[name], classes, theirs)
            count = len(network.state_dict())
            unfit = sum(key in network.state_dict() for key in fresh)  # the others are rows of new classes
            if 2 * unfit > count:
                unlike = self._unlike(state["config"])
                raise ValueError(f"{path}: {unfit} of {count} tensors do not fit ({unlike}); set these as there")
            if name != "G_ema":
                runlog.say(f"{name} begins with {path}" + (f", but for {', '.join(fresh)}" if fresh else ""))

    def _unlike(self, theirs: dict[str, Any]) -> str:
        """Which keys make the networks of another run's configuration other ones than these."""
        here, there = self.config.network.model_dump(), theirs["network"]
        pairs = {f"network.{key}": (here[key], there.get(key)) for key in here}
        pairs["the last of schedule.resolutions"] = (
            self.config.schedule.resolutions[-1],
            theirs["schedule"]["resolutions"][-1],
        )
        return "; ".join(f"{key}: here {a}, there {b}" for key, (a, b) in pairs.items() if a != b)

    def _data_digest(self) -> str:
        """Tells the training slices apart: their names and labels, in order."""
        digest = hashlib.sha256("\n".join(self.data.paths).encode())
        digest.update(self.data.labels.tobytes())
        return digest.hexdigest()[:16]

    def header(self, kind: str, resolution: int) -> dict[str, Any]:
        return {
            "kind": kind,
            "architecture": self.config.network.name,
            "arguments": self.arguments[kind],
            "class_names": list(self.config.data.classes),
            "resolution": resolution,
            "nimg": self.nimg,
            "seed": self.config.seed,
            "positions": self.positions.header() if self.positions else None,
        }

    # ---------------------------------------------------------------- the loop

    def run(
        self,
        run_dir: str | Path,
        until: int | None = None,
        evaluate: Evaluate | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Resume if there is a checkpoint, then step to the end of stage `until` (default: the last).

        evaluate: generator and phase -> numbers for the log, called every training.eval_kimg; its "kid" picks the
        generator kept as generator-best.safetensors. stop: asked before each step. Returns whether the end was
        reached. The upkeep of an image count ends with the checkpoint, so a resumed run never repeats it.
        """
        run_dir = Path(run_dir)
        path = run_dir / "checkpoint.pt"
        resumed = path.exists()
        if resumed:
            state = load_state(path)
            refuse_changes(parse_config(state["config"], str(path)), self.config, path, state["nimg"])
            if state["data"] != self._data_digest():
                runlog.say(
                    f"warning: the training slices are not those of the checkpoint (now {len(self.data)}); it goes on, "
                    f"but the order of the slices is another"
                )
            if state["threads"] != torch.get_num_threads() and self.device.type == "cpu":
                runlog.say(
                    f"warning: the checkpoint was made with {state['threads']} CPU threads, this is "
                    f"{torch.get_num_threads()}: it goes on, but not bit for bit (--set threads={state['threads']})"
                )
            self.load(state)
        elif self.config.init:
            self.start_from(Path(self.config.init))
        self._join()
        writer = self.rank == 0
        if writer:
            save_config(self.config, run_dir / "config.yaml")
        last = self.schedule.stage_of(until) if until else self.schedule.stages[-1]
        log = runlog.RunLog(run_dir, self.nimg) if writer else None
        bar: tqdm | None = None
        shown: Stage | None = None
        done_upkeep = self.saved = self.nimg if resumed else -1
        clock, clock_nimg = time.monotonic(), self.nimg
        try:
            while True:
                stopping = distributed.any_rank(stop())
                over = self.nimg >= last.end
                if self.nimg != done_upkeep:
                    saving = self._due("checkpoint_kimg") or self._stage_ended() or stopping or over or self._first()
                    logging = self._due("log_kimg") or self._stage_ended()
                    if saving or logging:
                        distributed.add(self.sums.values(), divide=True)
                        if why := self._diverged(logging):
                            log = self._go_back(run_dir, why, log)
                            done_upkeep, shown = self.nimg, None
                            clock, clock_nimg = time.monotonic(), self.nimg
                            continue
                    if logging:
                        numbers = self._statistics()
                    if log is not None:
                        if logging:
                            now = time.monotonic()
                            speed = (self.nimg - clock_nimg) / max(now - clock, 1e-9)
                            clock, clock_nimg = now, self.nimg
                            log.write(numbers | {"images_per_second": round(speed, 2)}, self.nimg)
                            runlog.say(runlog.statistics_line(numbers, self.nimg))
                        if evaluate and self._due("eval_kimg"):
                            self._evaluate(evaluate, run_dir, log)
                        if self._due("grid_kimg") or self.nimg == 0:
                            self._grow_ema()
                            save_samples(self.G_ema, run_dir / "samples" / f"{self.nimg:09d}.png")
                        if self._stage_ended():
                            self._finish_stage(run_dir)
                        if saving:
                            self._save(path)
                if over or stopping:
                    return over
                stage = self.schedule.stage(self.nimg)
                if bar is None or stage != shown:
                    if bar is not None:
                        bar.close()
                    bar, shown = self._bar(stage), stage
                phase = self.schedule.at(self.nimg)
                self._step_or_say(self._batch(phase), phase)
                bar.update(phase.batch_size)
        finally:
            if bar is not None:
                bar.close()
            if log is not None:
                log.close()

    def _join(self) -> None:
        """All ranks begin from the same state. Raises ValueError if they were given different ones."""
        mine = json.dumps([self.nimg, self._data_digest(), self.config.model_dump(mode="json")])
        if len(set(distributed.all_say(hashlib.sha256(mine.encode()).hexdigest()))) > 1:
            raise ValueError(
                f"rank {self.rank}: the ranks differ in configuration, data or checkpoint; expected the same command "
                f"and the same --run and --data folders (on shared storage) on every machine"
            )
        for network in (self.G, self.D, self.G_ema):
            distributed.copy_from_first(network.state_dict().values())

    def _save(self, path: Path) -> None:
        """The state; the one before it is kept if it is known to be good, else the one before that still is."""
        save_state(path, self.state(), keep=self.saved <= self.watchdog.good)
        self.saved = self.nimg

    def _first(self) -> bool:
        """Whether there is nothing yet that a run could go back to."""
        return self.nimg == 0 and self.config.training.on_divergence == "rollback"

    def _diverged(self, logging: bool) -> str | None:
        """What the watchdog says to a line of the log; nothing that is not finite is saved between two lines either."""
        numbers = self._means()
        return self.watchdog.look(numbers, self.last_phase().resolution, self.nimg) if logging else not_finite(numbers)

    def _go_back(self, run_dir: Path, why: str, log: runlog.RunLog | None) -> runlog.RunLog | None:
        """Go on from the last good checkpoint at half the learning rates, saved at once; returns the log from there.

        The same images and latents come again; with other rates they lead elsewhere.
        Raises ValueError if training.on_divergence is stop, or if going back has not helped twice.
        """
        nimg, r, rollbacks = self.nimg, self.last_phase().resolution, self.watchdog.rollbacks + 1
        path = run_dir / "checkpoint.pt"
        saved = ((p, load_state(p)) for p in (path, path.with_name(PREVIOUS)) if p.exists())
        name, state = next(((p.name, s) for p, s in saved if s["nimg"] <= self.watchdog.good), ("", None))
        seen = f"diverged at {nimg} images ({r} px): {why}"
        if self.config.training.on_divergence == "stop" or state is None or rollbacks > ROLLBACKS:
            kept = f"{name} of {state['nimg']} images is from before" if state else "no checkpoint is from before it"
            advice = {PREVIOUS: f" (rename it to {path.name} to go on from it)", "": ": begin again with another --run"}
            kept += advice.get(name, "")
            seen += f", after {ROLLBACKS} rollbacks" if rollbacks > ROLLBACKS else ""
            raise ValueError(
                f"{run_dir}: {seen}; {kept}. Lower schedule.lr_g.{r} and schedule.lr_d.{r}, or raise "
                f"schedule.r1_gamma.{r}, with --set"
            )
        self.load(state)
        self.watchdog.went_back(rollbacks, self.nimg)
        distributed.any_rank(False)  # all have read what the first now writes
        runlog.say(f"{seen}; back to {self.nimg} images with the learning rates times {self.watchdog.rate:g}")
        if log is None:
            return None
        for stage in self.schedule.stages:
            if stage.end > self.nimg:
                (stage_dir(run_dir, stage.resolution) / "generator.safetensors").unlink(missing_ok=True)
        self._save(path)
        log.close()
        log = runlog.RunLog(run_dir, self.nimg)
        log.write({"rollback": rollbacks, "from": nimg, "rate": self.watchdog.rate, "why": why}, self.nimg)
        return log

    def _bar(self, stage: Stage) -> tqdm:
        """images/s and the time left of a stage; quiet when the output is not a terminal."""
        return tqdm(
            total=stage.end - stage.start,
            initial=self.nimg - stage.start,
            desc=f"{stage.resolution}px",
            unit="img",
            disable=None if self.rank == 0 else True,
            dynamic_ncols=True,
        )

    def _step_or_say(self, batch: tuple[Tensor, Tensor], phase: Phase) -> None:
        """A step; memory that ran out is told with the value to lower."""
        try:
            self.step(*batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            r, n = phase.resolution, phase.batch_size
            raise MemoryError(
                f"out of memory at {r} px with batches of {n} images; lower schedule.batch_size.{r} (before the stage "
                f"begins: --set schedule.batch_size.{r}={max(4, n // 8 * 4)}) or network.channel_base (in a new run)"
            ) from None

    def _due(self, key: str) -> bool:
        """Whether the last step crossed a multiple of a training.*_kimg; a pure function of the counter."""
        every = getattr(self.config.training, key)
        if every is None or self.nimg == 0:
            return False
        before = self.nimg - self.last_phase().batch_size
        return int(self.nimg / (every * 1000)) > int(before / (every * 1000))

    def last_phase(self) -> Phase:
        """The phase of the step that ended at the present count; before the first step, of the first."""
        n = self.schedule.at(max(self.nimg - 1, 0)).batch_size
        return self.schedule.at(max(self.nimg - n, 0))

    def _stage_ended(self) -> bool:
        return any(self.nimg == s.end for s in self.schedule.stages)

    def _grow_ema(self) -> Phase:
        phase = self.last_phase()
        # At a stage's end the fade is over; elsewhere the picture shows the networks as they train.
        self.G_ema.grow(phase.resolution, 1.0 if self._stage_ended() else phase.alpha)
        self.G_ema.nimg = self.nimg
        return phase

    def _evaluate(self, evaluate: Evaluate, run_dir: Path, log: runlog.RunLog) -> None:
        phase = self._grow_ema()
        try:
            numbers = evaluate(self.G_ema, phase)
        except ValueError as error:  # hours of training are worth more than a number that the data cannot give
            runlog.say(f"{self.nimg / 1000:9.1f} kimg  not evaluated: {error}")
            return
        log.write(numbers, self.nimg)
        runlog.say(f"{self.nimg / 1000:9.1f} kimg  " + "  ".join(f"{k}: {v:.4g}" for k, v in numbers.items()))
        kid = numbers["kid"]
        if phase.alpha == 1.0 and kid < self.best.get(phase.resolution, math.inf):
            self.best[phase.resolution] = kid
            path = stage_dir(run_dir, phase.resolution) / "generator-best.safetensors"
            save_network(path, self.G_ema, self.header("generator", phase.resolution) | {"kid": kid})

    def _finish_stage(self, run_dir: Path) -> None:
        r = self._grow_ema().resolution
        folder = stage_dir(run_dir, r)
        folder.mkdir(parents=True, exist_ok=True)
        runlog.save_loss_plot(run_dir, folder / "losses.png", self.schedule, f"{run_dir.name}: losses up to {r} px")
        save_samples(self.G_ema, folder / "samples.png")
        save_network(folder / "discriminator.safetensors", self.D, self.header("discriminator", r))
        # Last: with this file a stage counts as finished.
        save_network(folder / "generator.safetensors", self.G_ema, self.header("generator", r))


def gradients(network: nn.Module) -> list[Tensor]:
    """Those of the parameters at work."""
    return [p.grad for p in network.parameters() if p.grad is not None]


def gradient_norm(network: nn.Module) -> Tensor:
    """L2 norm over all gradients, on the device."""
    return torch.stack(torch._foreach_norm(gradients(network))).norm()


def make_augment(config: Config, has_zero: bool, device: torch.device) -> Augment | None:
    """What stands before D; None where nothing does."""
    section = config.augment
    strength = STRENGTHS[section.name]
    if strength is None:
        return None
    arguments = {key: getattr(section, key) for key in arguments_of(section.name)}
    return Augment(
        seed=config.seed,
        operations=section.operations,
        strength=strength(**arguments),
        has_zero=has_zero,
        device=device,
    )


def parts_of(n: int) -> int:
    """The parts in which a penalised batch of n images goes through: two, if each has whole minibatch-std groups."""
    return next(parts for parts in (2, 1) if n % (4 * parts) == 0)


def refuse_uneven(config: Config, ranks: int) -> None:
    """Raises ValueError if a stage's batch does not divide over the ranks in whole minibatch-std groups."""
    for r in config.schedule.resolutions:
        if config.schedule.batch_size[r] % (4 * ranks):
            raise ValueError(
                f"schedule.batch_size.{r}: expected a multiple of {4 * ranks} ({ranks} processes, minibatch-std groups "
                f"of 4), got {config.schedule.batch_size[r]}"
            )


def choose_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast type, or None for fp32. auto: bf16 where the hardware multiplies it natively."""
    if name == "auto":
        if device.type == "cuda":
            name = "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
        else:
            native = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)  # bool(): other builds lack the question
            name = "bf16" if native() else "fp32"
    return torch.bfloat16 if name == "bf16" else None

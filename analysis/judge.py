"""The reference classifier, called judge in the code: a small network that no generator ever sees.

Letters: M images, N batch, R resolution (pixels per side), F features, K classes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from analysis.slices import same_length
from progan_style import to_float, weights_channels_last

RECIPE = 1  # raise it with every change below that alters the weights, or an old cache answers
BATCH = 64  # training
INFERENCE_BATCH = 256
DISTORTIONS = 4  # blur, contrast, brightness, noise: what `distort` draws for each image
FEATURES = 128
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.02


def _channels(resolution: int) -> int:
    """Each level costs about the same: a quarter of the pixels, twice the channels."""
    return min(max(1024 // resolution, 8), 64)


class JudgeNetwork(nn.Module):
    """A small CNN: one 3x3 convolution at full size, stride-2 ones down to 4x4, mean over space, linear heads.

    The heads read features of zero mean and unit variance (a batch normalisation without parameters): no feature
    outweighs the rest.
    """

    def __init__(self, resolution: int, classes: int) -> None:
        super().__init__()
        channels = _channels(resolution)
        layers: list[nn.Module] = [_block(1, channels, stride=1)]
        while resolution > 4:
            resolution //= 2
            wider = _channels(resolution) if resolution > 4 else FEATURES
            layers.append(_block(channels, wider, stride=2))
            channels = wider
        self.trunk = nn.Sequential(*layers)
        self.normalise = nn.BatchNorm1d(FEATURES, affine=False)
        self.classes = nn.Linear(FEATURES, classes)
        self.distortions = nn.Linear(FEATURES, DISTORTIONS)

    def features(self, images: Tensor) -> Tensor:
        """[N, 1, R, R] in [-1, 1] -> [N, F]"""
        return self.normalise(self.trunk(images).mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 1, R, R] in [-1, 1] -> class logits [N, K], distortions [N, 4]"""
        features = self.features(images)
        return self.classes(features), self.distortions(features)


def _block(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


def distort(images: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift, blur, contrast, brightness and noise, each drawn per image, and how much of each was drawn.

    Real and generated slices differ in sharpness, grain and contrast before they differ in anatomy; a judge that
    was not trained through them reads them as disease (method: a judge trained on clean slices called every
    blurred one AD). [N, 1, R, R] in [-1, 1] -> the same, and [N, 4] in [0, 1]
    """
    count, _, size, _ = images.shape
    device = images.device
    amounts = torch.rand(count, DISTORTIONS, generator=rng).to(device)
    blur, contrast, brightness, noise = amounts.view(count, DISTORTIONS, 1, 1, 1).unbind(1)

    reach = size // 32  # 8 mm of a 256 mm field of view; less than a pixel below 32
    offsets = torch.randint(-reach, reach + 1, (2, count, 1), generator=rng).to(device)
    rows, columns = (torch.arange(size, device=device) + offsets).clamp(0, size - 1)
    images = images[torch.arange(count, device=device)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][
        :, None
    ]

    # A Gaussian of 0.3 (next to nothing) to 1.2 pixels, one kernel per image: images become the channels.
    sigma = (0.3 + 0.9 * blur).view(count, 1)
    kernel = torch.exp(-0.5 * (torch.arange(-2, 3, device=device) / sigma) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    images = F.pad(images.transpose(0, 1), (2, 2, 2, 2), mode="replicate")
    images = F.conv2d(images, kernel.view(count, 1, 5, 1), groups=count)
    images = F.conv2d(images, kernel.view(count, 1, 1, 5), groups=count).transpose(0, 1)

    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * (0.75 + 0.5 * contrast) + mean + 0.2 * (brightness - 0.5)
    grain = torch.randn(images.shape, generator=rng).to(device)
    return images + 0.12 * noise * grain, amounts


@dataclass(frozen=True)
class Judge:
    """The reference classifier: it never sees a generated slice, and no generator ever sees it.

    name and hash go beside every number that it gives: numbers of different judges are not comparable.
    """

    network: JudgeNetwork
    class_names: tuple[str, ...]
    resolution: int
    name: str
    hash: str

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the heads read, each row scaled to length sqrt(F): [M, 1, R, R] -> [M, F]

        Without the scaling a few extreme persons decide the metrics' cubic kernel: on phantoms the KID between two
        halves of held-out persons was 1.0 without and 0.2 with it, that of blurred slices 0.85 and 0.5-3.
        """
        return self._rows(images, lambda x: F.normalize(self.network.features(x)) * FEATURES**0.5)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[M, 1, R, R] -> [M, K]"""
        return self._rows(images, lambda x: self.network(x)[0].softmax(dim=1))

    @torch.inference_mode()
    def _rows(self, images: NDArray[np.uint8], function: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        if images.shape[1:] != (1, self.resolution, self.resolution) or images.dtype != np.uint8:
            raise ValueError(
                f"{self.name} takes uint8 [M, 1, {self.resolution}, {self.resolution}], "
                f"got {images.dtype} {list(images.shape)}"
            )
        device = next(self.network.parameters()).device
        rows = [
            function(to_float(torch.from_numpy(np.array(images[start : start + INFERENCE_BATCH])).to(device)))
            .cpu()
            .numpy()
            for start in range(0, len(images), INFERENCE_BATCH)
        ]
        return np.concatenate(rows).astype(np.float32)


def train_judge(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    *,
    seed: int = 0,
    images_seen: int = 40_000,
    device: str | torch.device = "cpu",
    cache: Path | str | None = None,
    progress: bool = False,
) -> Judge:
    """The reference classifier of these slices: trained at their size, through `distort`, for a fixed number of images.

    No slice is held out and no stopping point chosen, so the same recipe serves real training slices (what fidelity
    is read beside) and generated ones (train on synthetic, test on real). A second head names the distortions. The
    features then keep sharpness, contrast and grain apart from anatomy instead of forgetting them, which KID and
    coverage need. One class alone then has something to learn, too. The same arguments give the same weights on one
    machine at one thread count. cache is a folder; the file's name is a hash of all that goes in.
    images uint8 [M, 1, R, R]. Raises ValueError if a class has no slice or the size is not a power of two.
    """
    images = np.ascontiguousarray(images)
    labels = np.asarray(labels, dtype=np.int64)
    resolution = images.shape[-1]
    _check(images, labels, class_names)
    settings = {
        "recipe": RECIPE,
        "resolution": resolution,
        "class_names": list(class_names),
        "seed": seed,
        "images_seen": images_seen,
        "slices": hashlib.sha256(images.data).hexdigest(),
        "labels": hashlib.sha256(labels.data).hexdigest(),
    }
    file = None
    if cache is not None:
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
        file = Path(cache) / f"judge-{resolution:03d}-{key}.safetensors"
        if file.exists():
            try:
                return _judge(_load(file, resolution, len(class_names)), class_names, resolution, device)
            except MemoryError:
                raise
            except Exception:  # safetensors and torch have many words for a damaged file
                tqdm.write(f"note: {file} is damaged; the reference classifier is trained anew")

    pixels = torch.from_numpy(np.array(images)).to(device)  # a copy: a memory-mapped array is read-only
    pools = [(pixels, torch.from_numpy(labels).to(device))]
    steps = max(1, images_seen // BATCH)
    network = fit(pools, len(class_names), seed=seed, steps=steps, device=device, progress=progress)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.{os.getpid()}")
        weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(weights, partial, metadata={"settings": json.dumps(settings)})
        os.replace(partial, file)  # two runs may train the same judge at once: the last whole file wins
    return _judge(network, class_names, resolution, device)


def _check(images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
    resolution = images.shape[-1]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (1, resolution, resolution):
        raise ValueError(
            f"the reference classifier learns from uint8 [M, 1, R, R], got {images.dtype} {list(images.shape)}"
        )
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"the reference classifier needs a size that is a power of two from 8 on, got {resolution}")
    same_length(images=images, labels=labels)
    missing = [name for index, name in enumerate(class_names) if not (labels == index).any()]
    if missing:
        raise ValueError(f"the reference classifier needs slices of every class, got none of {', '.join(missing)}")


def fit(
    pools: Sequence[tuple[Tensor, Tensor]],
    classes: int,
    *,
    seed: int,
    steps: int,
    device: str | torch.device = "cpu",
    validate: Callable[[JudgeNetwork], float] | None = None,
    checks: int = 8,
    progress: bool = False,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> JudgeNetwork:
    """The one training loop: pools of (uint8 [M, 1, R, R], labels [M]), each an equal part of every batch.

    loss: of the first head's answers [N, classes] and what stands in the place of labels; about 1 at the start.

    validate: asked `checks` times on the way; the weights of its best answer are returned, the first of equals.
    Without it the last weights are returned.
    """
    draw = torch.Generator().manual_seed(seed)
    size = pools[0][0].shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = JudgeNetwork(size, classes)
    weights_channels_last(network.to(device).train())  # 1.4 times as fast on a CPU
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1, pct_start=0.15)
    when = {round(steps * (i + 1) / checks) for i in range(checks)} if validate else set()
    best, kept = -np.inf, network.state_dict()
    batches = _batches(pools, draw)
    hidden = None if progress else True
    for step in tqdm(range(1, steps + 1), desc=f"classifier {size}x{size}", unit="step", disable=hidden):
        images, labels = next(batches)
        x, amounts = distort(to_float(images.to(device)), draw)
        logits, guesses = network(x.contiguous(memory_format=torch.channels_last))
        # A uniform amount has variance 1/12: six times its squared error starts at 0.5, beside log K for the class.
        whole = loss(logits, labels.to(device)) + 6 * F.mse_loss(guesses, amounts)
        optimizer.zero_grad(set_to_none=True)
        whole.backward()
        optimizer.step()
        rate.step()
        if validate and step in when:
            if (now := validate(network.eval())) > best:
                best, kept = now, {name: value.clone() for name, value in network.state_dict().items()}
            network.train()
    if validate:
        network.load_state_dict(kept)
    return network.eval()


def _batches(pools: Sequence[tuple[Tensor, Tensor]], draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, an equal part from each pool; a pool is gone through in a new order each time."""
    share = BATCH // len(pools)
    orders = [torch.empty(0, dtype=torch.int64)] * len(pools)
    while True:
        some = []
        for i, (images, _) in enumerate(pools):
            while len(orders[i]) < share:
                orders[i] = torch.cat([orders[i], torch.randperm(len(images), generator=draw)])
            rows, orders[i] = orders[i][:share].to(images.device), orders[i][share:]
            some.append(rows)
        yield (
            torch.cat([images[rows] for (images, _), rows in zip(pools, some, strict=True)]),
            torch.cat([labels[rows] for (_, labels), rows in zip(pools, some, strict=True)]),
        )


def _load(file: Path, resolution: int, classes: int) -> JudgeNetwork:
    network = JudgeNetwork(resolution, classes)
    with safe_open(file, framework="pt") as stored:
        network.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
    return network.eval()


def _judge(network: JudgeNetwork, class_names: tuple[str, ...], resolution: int, device: str | torch.device) -> Judge:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    weights_channels_last(network.to(device))
    name = f"reference classifier at {resolution}x{resolution}, recipe {RECIPE}"
    return Judge(network, tuple(class_names), resolution, name, digest.hexdigest()[:12])

"""Images -> features -> FeatureTable: the spaces in which real and generated slices are compared.

Letters: M images, N batch, R resolution (pixels per side), C channels, F features, K classes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from progan_style import weights_channels_last

RECIPE = 1  # the judge's: raise it with every change below that alters its weights, or an old cache answers
BATCH = 64  # training
INFERENCE_BATCH = 256
DISTORTIONS = 4  # blur, contrast, brightness, noise: what `distort` draws for each image
FEATURES = 128
LEARNING_RATE = 0.002
WEIGHT_DECAY = 0.02
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


# ------------------------------------------------------------------ tables


def _same_length(**columns: NDArray[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"one row per image expected in every column, got {lengths}")


@dataclass(frozen=True)
class Slices:
    """Slices with what is known about them: what a feature source is given.

    images uint8 [M, 1, R, R]; labels [M] index into class_names; subjects [M], "" for generated or unknown;
    seeds [M], the generated images' own, -1 for real ones. Raises ValueError if the columns differ in length.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    is_real: NDArray[np.bool_]
    subjects: NDArray[Any]
    seeds: NDArray[np.int64]
    class_names: tuple[str, ...]
    psi: float = 1.0

    def __post_init__(self) -> None:
        _same_length(
            images=self.images,
            labels=self.labels,
            is_real=self.is_real,
            subjects=self.subjects,
            seeds=self.seeds,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> Slices:
        """The chosen rows (indices or a mask), in that order."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            is_real=self.is_real[rows],
            subjects=self.subjects[rows],
            seeds=self.seeds[rows],
        )


def real_slices(images: NDArray, labels: NDArray, subjects: NDArray, class_names: tuple[str, ...]) -> Slices:
    """Slices of persons."""
    return Slices(
        images=np.asarray(images),
        labels=np.asarray(labels, dtype=np.int64),
        is_real=np.ones(len(labels), dtype=bool),
        subjects=np.asarray(subjects, dtype=object),
        seeds=np.full(len(labels), -1, dtype=np.int64),
        class_names=class_names,
    )


def generated_slices(
    images: NDArray, labels: NDArray, seeds: NDArray, class_names: tuple[str, ...], psi: float = 1.0
) -> Slices:
    """Slices of a generator, with the labels that they were asked for."""
    return Slices(
        images=np.asarray(images),
        labels=np.asarray(labels, dtype=np.int64),
        is_real=np.zeros(len(labels), dtype=bool),
        subjects=np.full(len(labels), "", dtype=object),
        seeds=np.asarray(seeds, dtype=np.int64),
        class_names=class_names,
        psi=psi,
    )


@dataclass(frozen=True)
class FeatureTable:
    """Features of slices, one row per image, and where they came from.

    features float32 [M, F]; the other columns as in Slices; source names the extractor.
    Raises ValueError if the columns differ in length or a feature is not finite.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_real: NDArray[np.bool_]
    subjects: NDArray[Any]
    class_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        _same_length(features=self.features, labels=self.labels, is_real=self.is_real, subjects=self.subjects)
        broken = int((~np.isfinite(self.features)).any(axis=1).sum())
        if broken:
            raise ValueError(f"{self.source}: finite features expected, got NaN or infinity in {broken} images")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> FeatureTable:
        """The chosen rows (indices or a mask), in that order."""
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            is_real=self.is_real[rows],
            subjects=self.subjects[rows],
        )


def join(first: FeatureTable, second: FeatureTable) -> FeatureTable:
    """Both tables, one after the other. Raises ValueError if their classes or sources differ."""
    if (first.class_names, first.source) != (second.class_names, second.source):
        raise ValueError(
            f"tables of one extractor and one list of classes expected, got {first.source} {first.class_names} "
            f"and {second.source} {second.class_names}"
        )
    return replace(
        first,
        features=np.concatenate([first.features, second.features]),
        labels=np.concatenate([first.labels, second.labels]),
        is_real=np.concatenate([first.is_real, second.is_real]),
        subjects=np.concatenate([first.subjects, second.subjects]),
    )


# ------------------------------------------------------------------ the independent judge


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
    """An independent classifier: it never sees a generated slice, and no generator ever sees it.

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
        halves of unseen persons was 1.0 without and 0.2 with it, that of blurred slices 0.85 and 0.5-3.
        """
        return self._rows(images, lambda x: F.normalize(self.network.features(x)) * FEATURES**0.5)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[M, 1, R, R] -> [M, K]"""
        return self._rows(images, lambda x: self.network(x)[0].softmax(dim=1))

    @torch.inference_mode()
    def _rows(self, images: NDArray[np.uint8], function: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        if images.shape[1:] != (1, self.resolution, self.resolution) or images.dtype != np.uint8:
            raise ValueError(
                f"{self.name} judges uint8 [M, 1, {self.resolution}, {self.resolution}], "
                f"got {images.dtype} {list(images.shape)}"
            )
        device = next(self.network.parameters()).device
        rows = [
            function(_to_float(images[start : start + INFERENCE_BATCH], device)).cpu().numpy()
            for start in range(0, len(images), INFERENCE_BATCH)
        ]
        return np.concatenate(rows).astype(np.float32)


def _to_float(images: NDArray[np.uint8], device: str | torch.device) -> Tensor:
    # A copy: a memory-mapped array is read-only, which torch does not know.
    return torch.from_numpy(np.array(images)).to(device).float().div_(127.5).sub_(1.0)


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
    """The judge of these slices: trained at their size, through `distort`, for a fixed number of images.

    No slice is held out and no stopping point chosen, so the same recipe serves real training slices (the
    ceiling) and generated ones (train on synthetic, test on real). A second head names the distortions: the
    features then keep sharpness, contrast and grain apart from anatomy instead of forgetting them, which KID and
    coverage need, and one class alone has something to learn. The same arguments give the same weights on one
    machine at one thread count. cache is a folder; the file's name is a hash of all that goes in.
    images uint8 [M, 1, R, R]. Raises ValueError if a class has no slice or the size is not a power of two.
    """
    images = np.ascontiguousarray(images)
    labels = np.asarray(labels, dtype=np.int64)
    resolution = images.shape[-1]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (1, resolution, resolution):
        raise ValueError(f"the judge learns from uint8 [M, 1, R, R], got {images.dtype} {list(images.shape)}")
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"the judge needs a size that is a power of two from 8 on, got {resolution}")
    _same_length(images=images, labels=labels)
    missing = [name for index, name in enumerate(class_names) if not (labels == index).any()]
    if missing:
        raise ValueError(f"the judge needs slices of every class, got none of {', '.join(missing)}")

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
            return _judge(_load(file, resolution, len(class_names)), class_names, resolution, device)

    network = _fit(images, labels, len(class_names), seed, images_seen, device, progress)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.{os.getpid()}")
        weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        save_file(weights, partial, metadata={"settings": json.dumps(settings)})
        os.replace(partial, file)  # two runs may train the same judge at once: the last whole file wins
    return _judge(network, class_names, resolution, device)


def _fit(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    seed: int,
    images_seen: int,
    device: str | torch.device,
    progress: bool,
) -> JudgeNetwork:
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = JudgeNetwork(images.shape[-1], classes)
    weights_channels_last(network.to(device).train())
    pixels = torch.from_numpy(np.array(images)).to(device)  # a copy: a memory-mapped array is read-only
    answers = torch.from_numpy(labels).to(device)
    steps = max(1, images_seen // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1, pct_start=0.15)
    order = torch.empty(0, dtype=torch.int64)
    bar = tqdm(
        range(steps),
        desc=f"judge {images.shape[-1]}x{images.shape[-1]}",
        unit="step",
        disable=None if progress else True,
    )
    for _ in bar:
        while len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(pixels), generator=rng)])
        rows, order = order[:BATCH].to(device), order[BATCH:]
        x, amounts = distort(pixels[rows].float().div_(127.5).sub_(1.0), rng)
        logits, guesses = network(x.contiguous(memory_format=torch.channels_last))
        # A uniform amount has variance 1/12: six times its squared error starts at 0.5, beside log K for the class.
        loss = F.cross_entropy(logits, answers[rows]) + 6 * F.mse_loss(guesses, amounts)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rate.step()
    return network.eval()


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
    name = f"judge at {resolution}x{resolution}, recipe {RECIPE}"
    return Judge(network, tuple(class_names), resolution, name, digest.hexdigest()[:12])


# ------------------------------------------------------------------ sources


def from_generator(G: Any, slices: Slices) -> FeatureTable:
    """The generator's last feature map on an 8x8 grid per channel, made again from labels and seeds.

    These features are made from the label: classes that lie apart here prove nothing about the images.
    Raises ValueError for real slices, which have no seed.
    """
    from progan_style import generator_features

    if slices.is_real.any():
        raise ValueError("the generator has features of generated slices only, got real ones")
    features = generator_features(G, torch.from_numpy(slices.labels), torch.from_numpy(slices.seeds), psi=slices.psi)
    return _table(features.cpu().numpy(), slices, "generator, last feature map on an 8x8 grid")


def from_discriminator(D: Any, slices: Slices) -> FeatureTable:
    """The discriminator's final layer, which sees no label."""
    return _table(in_batches(D, D.features, slices.images), slices, "discriminator, final layer")


def from_judge(judge: Judge, slices: Slices) -> FeatureTable:
    """What the independent judge's heads read."""
    return _table(judge.features(slices.images), slices, f"{judge.name}, {judge.hash}")


@dataclass(frozen=True)
class Inception:
    """InceptionV3 as FID knows it (torch-fidelity's, with TensorFlow's 2015 weights): an extractor of photographs.

    It has never seen a scan. Its numbers compare with its own floor at the same n, with nothing else.
    """

    network: Any
    name: str
    hash: str

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[M, 1, R, R] -> [M, 2048]; gray to RGB and the resize to 299 are the network's own."""
        device = next(self.network.parameters()).device
        rows = []
        for start in range(0, len(images), BATCH):
            x = torch.from_numpy(np.array(images[start : start + BATCH])).to(device).expand(-1, 3, -1, -1)
            rows.append(self.network(x)[0].cpu().numpy())
        return np.concatenate(rows)


def load_inception(file: Path, device: str | torch.device = "cpu") -> Inception:
    """The weights of a local file, whose sha256 must be the known one: torch-fidelity unpickles it.

    Raises FileNotFoundError without the file, ValueError for another hash or without torch-fidelity.
    """
    check_inception(file)
    from progan_style import load_torchvision

    load_torchvision()
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ModuleNotFoundError:
        raise ValueError("InceptionV3 needs torch-fidelity: pip install 'progan-style[inception]'") from None
    name = "inception-v3-compat"
    network = FeatureExtractorInceptionV3(name, ["2048"], feature_extractor_weights_path=str(file))
    return Inception(network.to(device).eval(), name, INCEPTION_SHA256[:12])


def check_inception(file: Path) -> None:
    """Raises FileNotFoundError or ValueError unless the file is the known one."""
    if not file.is_file():
        raise FileNotFoundError(f"--inception {file}: no such file")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != INCEPTION_SHA256:
        raise ValueError(
            f"--inception {file}: sha256 {found[:12]}..., expected {INCEPTION_SHA256[:12]}... "
            f"(weights-inception-2015-12-05-6726825d.pth of torch-fidelity)"
        )


def from_inception(model: Inception, slices: Slices) -> FeatureTable:
    """InceptionV3's pooled features."""
    return _table(model.features(slices.images), slices, f"{model.name}, {model.hash}")


@torch.inference_mode()
def in_batches(D: Any, function: Callable[[Tensor], Tensor], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """function of a discriminator's images, in batches: uint8 [M, 1, R, R] -> [M, ...]"""
    D.eval()
    device = next(D.parameters()).device
    rows = [
        function(_to_float(images[start : start + BATCH], device)).float().cpu().numpy()
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(rows)


def _table(features: NDArray[np.float32], slices: Slices, source: str) -> FeatureTable:
    return FeatureTable(
        features=features,
        labels=slices.labels,
        is_real=slices.is_real,
        subjects=slices.subjects,
        class_names=slices.class_names,
        source=source,
    )


# name -> function(model, slices): each owns its range and resize
SOURCES: dict[str, Callable[[Any, Slices], FeatureTable]] = {
    "generator": from_generator,
    "discriminator": from_discriminator,
    "judge": from_judge,
    "inception": from_inception,
}

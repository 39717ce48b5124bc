"""What is random, as a function of the image's number: SplitMix64 and what is made of it; the order of the data.

Letters: N batch, M training slices, K classes.
"""

import math

import numpy as np
import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
STREAMS = {"latent": 1, "mixing": 2, "noise": 3, "augment": 4, "penalty": 5, "position": 6, "path": 7}
STREAMS |= {"unknown": 9}


def mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele, Lea & Flood 2014), on uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def outputs(state: np.ndarray, count: int) -> np.ndarray:
    """The first outputs of the generators that start from these states: uint64 [N] -> [N, count]."""
    return mix(state[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def words(seed: int, stream: str, keys: np.ndarray, count: int) -> np.ndarray:
    """64 random bits, `count` times for each key: [N] -> uint64 [N, count]."""
    start = mix(np.array([16 * seed + STREAMS[stream]], np.uint64))
    return outputs(mix(start + keys.astype(np.uint64) * np.uint64(GOLDEN)), count)


def uniform(seed: int, stream: str, keys: np.ndarray, count: int) -> Tensor:
    """In [0, 1), from the upper 24 bits -> [N, count]."""
    return torch.from_numpy((words(seed, stream, keys, count) >> np.uint64(40)) / 2.0**24)


def normal(seed: int, stream: str, keys: np.ndarray, count: int) -> Tensor:
    """Standard normal (Box & Muller 1958), all cosines before all sines -> [N, count]."""
    word = words(seed, stream, keys, (count + 1) // 2)
    first, second = word >> np.uint64(40), word & np.uint64(0xFFFFFF)
    radius, angle = np.sqrt(-2.0 * np.log((first + 0.5) / 2.0**24)), 2.0 * math.pi * second / 2.0**24
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return torch.from_numpy(both[:, :count])


def rows_of(index: np.ndarray, labels: np.ndarray, num_classes: int, seed: int, balanced: bool) -> np.ndarray:
    """The training slice that image number i of the run is -> [N].

    natural: all slices in a new random order each epoch. balanced: the classes take turns, each round beginning with
    the next class, and each class goes through its own slices in random orders; where the natural order has a slice
    without a class (-1) it stays, and the turns are counted over the others.
    """
    known = int((labels >= 0).sum())

    def taken(number: int, of: np.ndarray, *key: int) -> int:
        epoch, place = divmod(number, len(of))
        return int(np.random.default_rng([0xDA7A, seed, epoch, *key]).permutation(of)[place])

    rows = []
    for i in index.tolist():
        row = taken(i, np.arange(len(labels)))
        if balanced and labels[row] >= 0:
            epoch, place = divmod(i, len(labels))
            before = [taken(epoch * len(labels) + j, np.arange(len(labels))) for j in range(place)]
            turn, place = divmod(epoch * known + sum(1 for one in before if labels[one] >= 0), num_classes)
            label = (turn + place) % num_classes
            row = taken(turn, np.flatnonzero(labels == label), label)
        rows.append(row)
    return np.array(rows)


def ranks(heights: np.ndarray) -> Tensor:
    """The position of each slice: its rank among all, from -1 to 1; equal heights share theirs. [M] -> [M]."""
    below = (heights[None, :] < heights[:, None]).sum(axis=1)
    equal = (heights[None, :] == heights[:, None]).sum(axis=1)
    rank = 2.0 * (below + 0.5 * equal) / len(heights) - 1.0
    return torch.from_numpy(rank.astype(np.float32)).double()  # the data set keeps them in float32


def conditions(columns: list[np.ndarray], rows: np.ndarray, seed: int, index: np.ndarray) -> list[Tensor]:
    """What images `index` know of these columns, [N] each: floats (NaN: unknown) about their mean over their spread,
    words as their place in the alphabet ("": unknown). Of one image in ten a column is left out, each by itself."""
    left_out = uniform(seed, "unknown", index, len(columns)) < 0.1
    made = []
    for column, out in zip(columns, left_out.T, strict=True):
        if column.dtype.kind == "f":
            known = column[~np.isnan(column)]
            mean = known.sum() / len(known)
            column = (column - mean) / np.sqrt(((known - mean) ** 2).sum() / len(known))
        else:
            words = sorted(set(column.tolist()) - {""})
            column = np.array([words.index(word) if word else np.nan for word in column.tolist()])
        own = torch.from_numpy(column.astype(np.float32)).double()[rows]  # the data set keeps them in float32
        made.append(torch.where(out, torch.nan, own))
    return made

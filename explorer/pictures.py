"""State -> pictures: one brain on the way between two classes, two brains mixed. One picture at a time, in fp32.

A brain is led from one class to the other in one of two ways (docs/latents.md). "direction": its w is moved by the
difference of the classes' centres, which leaves alone what has nothing to do with the class. "label": the same z is
mapped with the class weights, as generate() does.

Letters: K classes, L styles, W style width, R pixels per side.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis import diversity
from explorer.conditions import Value, condition
from explorer.state import State
from progan_style import Generator, centre, latents, to_uint8

KEPT = 64  # pictures of a generator, of the last changes
COMPARED = 6  # brains whose differences are what a change is read beside
Picture = NDArray[np.uint8]  # [R, R]
T = TypeVar("T")


@dataclass(frozen=True)
class Brain:
    """All that a picture depends on, but the generator.

    weights: of the classes, of sum 1. moved: (from, to, how far) along a class direction in w. mixed: another brain and
    the number of styles before it, which stay this one's.
    """

    seed: int
    weights: tuple[float, ...]
    noise: int
    psi: float
    given: tuple[tuple[str, Value], ...] = ()
    moved: tuple[int, int, float] | None = None
    mixed: "tuple[Brain, int] | None" = None


def beginning(state: State, class_names: tuple[str, ...]) -> Brain:
    """The brain wholly of the first class."""
    own = tuple(float(name == state.low) for name in class_names)
    return Brain(state.seed, own, state.seed if state.noise is None else state.noise, state.psi, state.given)


def on_the_way(state: State, class_names: tuple[str, ...]) -> Brain:
    """The brain where the slider of the class stands."""
    first = beginning(state, class_names)
    if state.weight == 0 or state.low == state.high:
        return first
    low, high = class_names.index(state.low), class_names.index(state.high)
    if state.way == "direction":
        return replace(first, moved=(low, high, state.weight))
    weights = [0.0] * len(class_names)
    weights[low], weights[high] = 1.0 - state.weight, state.weight
    return replace(first, weights=tuple(weights))


def second(state: State, class_names: tuple[str, ...]) -> Brain:
    """The other seed, alike in all else."""
    return on_the_way(replace(state, seed=state.other), class_names)


def mixture(state: State, class_names: tuple[str, ...]) -> Brain:
    """Coarse styles of the first brain, fine ones of the second; the noise is the first's."""
    styles = 2 * (int(np.log2(state.coarse)) - 1)  # two for each of 4, 8, ...
    return replace(on_the_way(state, class_names), mixed=(second(state, class_names), styles))


class Kept:
    """The last results of functions, by key. Several threads may ask."""

    def __init__(self, most: int):
        self.most, self.found = most, OrderedDict[Hashable, object]()
        self.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
                return cast(T, self.found[key])
        made = make()
        with self.lock:
            self.found[key] = made
            while len(self.found) > self.most:
                self.found.popitem(last=False)
        return made


class Pictures:
    """The pictures of one generator; the last ones are kept, and so are centres."""

    def __init__(self, G: Generator):
        self.G = G
        self._pictures, self._centres = Kept(KEPT), Kept(KEPT)

    @torch.inference_mode()
    def of(self, brain: Brain) -> Picture:
        """uint8 [R, R]. It may differ from generate()'s by one gray level, since that makes 16 at a time."""
        return self._pictures.get(brain, lambda: self._made(brain))

    def _made(self, brain: Brain) -> Picture:
        _, noise = latents(self.G, torch.tensor([brain.noise]))
        return to_uint8(self.G.synthesis(self._styles(brain), noise))[0, 0].numpy()

    def _styles(self, brain: Brain) -> Tensor:
        """ws [1, L, W]"""
        z, _ = latents(self.G, torch.tensor([brain.seed]))
        asked = condition(self.G, torch.tensor([brain.weights]), dict(brain.given))
        ws = self.G.mapping(z, asked)
        if brain.psi != 1.0:
            ws = self._centre(brain.weights, brain.given)[:, None].lerp(ws, brain.psi)
        if brain.moved is not None:
            low, high, far = brain.moved
            to, start = (self._centre(self._whole(label), brain.given) for label in (high, low))
            ws = ws + far * (to - start)[:, None]
        if brain.mixed is not None:
            other, styles = brain.mixed
            first = torch.arange(ws.shape[1])[None, :, None] < styles
            ws = torch.where(first, ws, self._styles(other))
        return ws

    def _whole(self, label: int) -> tuple[float, ...]:
        return tuple(float(i == label) for i in range(len(self.G.class_names)))

    def _centre(self, weights: tuple[float, ...], given: tuple[tuple[str, Value], ...]) -> Tensor:
        """The mean style of a condition, [1, W]: of 1,024 latents, so it is kept."""
        asked = condition(self.G, torch.tensor([weights]), dict(given))
        return self._centres.get((weights, given), lambda: centre(self.G, asked))

    @torch.inference_mode()
    def apart(self, state: State) -> float:
        """How far two brains of the first class are apart: root mean square over COMPARED seeds, gray levels."""
        states = [replace(state, seed=seed, noise=None) for seed in range(COMPARED)]
        brains = [beginning(one, tuple(self.G.class_names)) for one in states]
        return diversity(np.stack([self._made(brain) for brain in brains])[:, None])


def difference(first: Picture, second: Picture) -> NDArray[np.int16]:
    """second - first, gray levels [R, R]."""
    return second.astype(np.int16) - first.astype(np.int16)


def root_mean_square(values: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))

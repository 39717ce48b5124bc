"""A run that is open: its networks, its slices, what was worked out of them; shared by all browsers that look."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer.conditions import AnyCondition
from explorer.downloads import Pair
from explorer.generators import Generators, Opened
from explorer.pictures import beginning, on_the_way
from explorer.real import Closest, Real, Shown, make_map
from explorer.state import Choices, State, first_state
from explorer.view import View, view
from explorer.worker import Worker
from progan_style import Config


@dataclass
class Explored:
    """size: what is shown first. public: no real slice is shown. pictures, slow: where the work is done, so that a map
    of minutes does not hold up a slider."""

    run_dir: Path
    config: Config
    generators: Generators
    real: Real
    size: int
    public: bool = False
    pictures: Worker = field(default_factory=lambda: Worker("pictures"))
    slow: Worker = field(default_factory=lambda: Worker("slow"))
    class_names: tuple[str, ...] = field(init=False)
    conditions: tuple[AnyCondition, ...] = field(init=False)
    _closest: dict[int, Closest] = field(default_factory=dict)
    _apart: dict[tuple[object, ...], float] = field(default_factory=dict)
    _maps: dict[tuple[object, ...], Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError or FileNotFoundError if the first generator cannot be had."""
        opened, _ = self.generators.get(self.size)
        self.class_names, self.conditions = tuple(opened.pictures.G.class_names), opened.conditions

    @property
    def name(self) -> str:
        return self.run_dir.resolve().name

    def choices(self) -> Choices:
        """What can be chosen now: a stage that was finished since the start is among it."""
        return Choices(self.name, self.generators.sizes() or (self.size,), self.class_names, self.conditions)

    def first_state(self) -> State:
        choices = self.choices()
        return first_state(choices, self.size if self.size in choices.sizes else choices.sizes[-1])

    def opened(self, size: int) -> tuple[Opened, str]:
        """The generator of a size and a remark on its file. Raises ValueError or OSError, in one line, if it cannot be
        had, or if it is another run's by now."""
        opened, remark = self.generators.get(size)
        if (tuple(opened.pictures.G.class_names), opened.conditions) != (self.class_names, self.conditions):
            raise ValueError(
                f"the generator of size {size} has other classes or conditions than the one this page began with; "
                "start explore.py again"
            )
        return opened, remark

    def view(self, state: State) -> View:
        """Raises ValueError or OSError, in one line, if the generator of this size cannot be had."""
        opened, remark = self.opened(state.size)
        return view(opened, state, self._closest.get(state.size), remark)

    def pair(self, state: State) -> Pair:
        """What a download of a state is made of."""
        opened, _ = self.opened(state.size)
        names, of = self.class_names, opened.pictures.of
        first, second = of(beginning(state, names)), of(on_the_way(state, names))
        return Pair(first, second, state, self.name, opened.pictures.G.nimg, self.real.field)

    def closest(self, size: int) -> Closest | None:
        """As it was prepared before; None if it was not."""
        return self._closest.get(size)

    def prepare_closest(self, size: int) -> Closest:
        """Seconds, the first time. Raises ValueError where there are no slices of this size."""
        if size not in self._closest:
            if self.real.data is None:
                raise ValueError(f"the run's slices are not here: {self.real.why}")
            self._closest[size] = Closest(self.real.data, size)
        return self._closest[size]

    def known_apart(self, state: State) -> float | None:
        return self._apart.get(self._compared(state))

    def measure_apart(self, state: State) -> float:
        """How far two brains of the first class are apart, at psi 1 and the conditions' first values."""
        key = self._compared(state)
        if key not in self._apart:
            opened, _ = self.opened(state.size)
            self._apart[key] = opened.pictures.apart(replace(self.first_state(), size=state.size, low=state.low))
        return self._apart[key]

    def _compared(self, state: State) -> tuple[object, ...]:
        return state.size, state.low, self.opened(state.size)[0].stamp

    def map(self, size: int, kind: str, log: Callable[[str], None]) -> Shown:
        """Seconds to minutes. Raises ValueError or OSError where it cannot be drawn."""
        if self.real.data is None:
            raise ValueError(f"the run's slices are not here: {self.real.why}")
        key = (size, kind, self.opened(size)[0].stamp)
        if key not in self._maps:
            self._maps[key] = make_map(
                self.run_dir, self.config, self.real.data, size, kind, self.generators.weights, log
            )
        return self._maps[key]

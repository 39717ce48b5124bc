"""Whole steps recorded as CUDA graphs: one launch in place of two thousand.

At 8 to 64 pixels a card waits for Python, which launches the operations of a step one by one (docs/performance.md). A
graph is the list of a step's launches, with the memory that each reads and writes: replayed, it is one call. There is
one graph for each kind of step.

What a graph reads has to lie where it lay when the graph was recorded, and nothing may be a number of Python that
another step would have otherwise. So a step takes its inputs from tensors (`Inputs`, and what State.enter fills), and
changes its state in place. Where tensors become other ones, State.bound counts it, and the recordings are dropped: a
checkpoint was loaded, the run went back, a new size dropped the optimisers' moments.

The first steps of a kind are made as usual. They are the run's own, so that nothing has to be put back: they create
the optimisers' moments and the log's sums, compile what is compiled, and let cuDNN choose. Recording runs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from progan_style import distributed
from progan_style.config import Config
from progan_style.shell import is_out_of_memory
from progan_style.training import runlog
from progan_style.training.losses import Terms
from progan_style.training.state import State
from progan_style.training.step import Inputs, Kind, Recipe, take_step

WARM_UP = 3  # steps of a kind before it is recorded (torch's notes on CUDA graphs ask for some, on a side stream)

Call = Callable[[], Terms]
TakeStep = Callable[[State, Recipe, Kind, Inputs], Terms]


def make_take_step(config: Config, device: torch.device) -> TakeStep:
    """take_step, or one that records it. Raises ValueError where training.graphs is on and cannot be."""
    if config.training.graphs == "off":
        return take_step
    why = why_not(device)
    if why and config.training.graphs == "on":
        raise ValueError(f"training.graphs: {why}; expected off or auto")
    return take_step if why else Graphs(CudaRecorder(device))


def why_not(device: torch.device) -> str:
    """Why steps cannot be recorded here, in words; "" if they can."""
    if device.type != "cuda":
        return f"CUDA graphs need a CUDA device, this is a {device.type.upper()}"
    if distributed.world() > 1:
        return f"steps are recorded for one process, here are {distributed.world()}"
    if torch.is_anomaly_enabled():
        return "torch's anomaly mode looks at each operation, which a recorded step does not make one by one"
    return ""


class Recorder(Protocol):
    def begin(self) -> None:
        """All recordings before are gone."""

    def warm_up(self, call: Call) -> Terms:
        """The call as usual, such that a recording can follow."""

    def record(self, call: Call) -> tuple[Terms, Callable[[], None]]:
        """Record the call and run it once -> what it returned, and what runs it again."""


class CudaRecorder:
    """On a stream of its own; the graphs of a stage share their memory, since one runs at a time."""

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def begin(self) -> None:
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()  # what the graphs held
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, call: Call) -> Terms:
        usual = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(usual)
        with torch.cuda.stream(self.stream):
            terms = call()
        usual.wait_stream(self.stream)
        return terms

    def record(self, call: Call) -> tuple[Terms, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            terms = call()
        graph.replay()
        return terms, graph.replay


@dataclass
class Recording:
    """Of one kind of step."""

    inputs: Inputs  # where it reads them
    warm: int = 0  # steps made as usual
    terms: Terms | None = None  # where it writes them
    replay: Callable[[], None] | None = None


class Graphs:
    """take_step, recorded. A step's terms are overwritten by the next of its kind."""

    def __init__(self, recorder: Recorder):
        self.recorder = recorder
        self.of: dict[Kind, Recording] = {}
        self.bound = -1  # State.bound when the recordings began
        self.given_up = False

    def __call__(self, state: State, recipe: Recipe, kind: Kind, inputs: Inputs) -> Terms:
        if self.given_up:
            return take_step(state, recipe, kind, inputs)
        if state.bound != self.bound:
            self.of, self.bound = {}, state.bound
            self.recorder.begin()
        if kind not in self.of:
            self.of[kind] = Recording(inputs.clone())
        recording = self.of[kind]
        recording.inputs.copy_(inputs)
        if recording.replay and recording.terms:
            recording.replay()
            return recording.terms
        call = partial(take_step, state, recipe, kind, recording.inputs)
        if recording.warm < WARM_UP:
            recording.warm += 1
            return self.recorder.warm_up(call)
        try:
            recording.terms, recording.replay = self.recorder.record(call)
            return recording.terms
        except RuntimeError as error:  # out of memory, or an operation that cannot be recorded on this card
            why = "out of memory" if is_out_of_memory(error) else (str(error).splitlines() or ["no reason given"])[0]
        # Outside of the handler: the error's frames hold what was recorded.
        self.of, self.given_up = {}, True
        runlog.say(f"note: steps are launched one by one from here on; recording one failed: {why}")
        self.recorder.begin()
        return call()

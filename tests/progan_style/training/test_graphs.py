"""A recorded step is the usual one, bit for bit; what would make it another one is noticed.

The tape (tests/tape.py) stands in for a CUDA graph. On a card `python -m benchmarks.gpu` compares the real one.
"""

import gc
from copy import deepcopy

import numpy as np
import pytest
import torch
from run_tools import ADA, OF_ARCHITECTURE, same
from tape import TapeRecorder, as_on_a_card

from progan_style import Dataset, Trainer, load_config, rng
from progan_style.networks.resampling import fade_reals
from progan_style.training import graphs, meter, step
from progan_style.training.graphs import WARM_UP, Graphs
from progan_style.training.losses import LOSSES
from progan_style.training.state import Average

SETTINGS = [
    "schedule.resolutions=[8,16]",
    "schedule.fade_kimg={8: 0, 16: 0.096}",
    "schedule.hold_kimg={8: 0.096, 16: 0.096}",
    "schedule.batch_size={8: 8, 16: 8}",
    "schedule.lr_d={8: 0.001, 16: 0.002}",
    *("network.channel_base=64", "network.channel_max=8", "network.z_dim=8", "network.w_dim=8"),
    *("network.mapping_depth=2", "loss.penalty_interval=2", "training.precision=fp32"),
]
EXTRAS = {
    "ada": ADA,
    "auxiliary": ("conditioning.name=auxiliary", "schedule.label_kimg=[0.01,0.2]"),
    "conditions": ("data.conditions={slice_mm: position, age: number, sex: category}",),
    "bf16": ("training.precision=bf16",),
    "stylegan1": ("network.name=stylegan1",),
}


def built(*options, recorder=None):
    n, random = 24, np.random.default_rng(0)
    data = Dataset(
        levels={r: random.integers(0, 256, [n, 1, r, r]).astype(np.uint8) for r in (8, 16)},
        labels=np.arange(n) % 2,
        subjects=np.array([""] * n),
        class_names=("CN", "AD"),
        columns={
            "slice_mm": np.array([str(i) for i in range(n)]),
            "age": np.array([str(60 + i % 7) if i % 5 else "" for i in range(n)]),
            "sex": np.array(["FM"[i % 2] for i in range(n)]),
        },
    )
    torch.set_num_threads(1)
    trainer = Trainer(load_config(overrides=[*SETTINGS, *options]), data)
    if recorder:
        trainer.take_step = Graphs(recorder)
    return trainer


def one_step(trainer):
    with as_on_a_card():
        return trainer.step(*trainer.batch())


def both(*options, until=None, between=lambda trainer: None, fault=lambda trainer: None):
    """The usual and the recorded run to an image count, compared after each step -> the recorder.

    between: done to both before each step. fault: given the recorded one, whose image count is that of both in a step.
    """
    recorder = TapeRecorder()
    usual, recorded = built(*options), built(*options, recorder=recorder)
    fault(recorded)
    while usual.state.nimg < (until or usual.schedule.total):
        for trainer in (usual, recorded):
            between(trainer)
        same(one_step(usual), one_step(recorded), f"terms at {usual.state.nimg}")
        same(usual.state.state_dict(), recorded.state.state_dict(), f"state at {usual.state.nimg}")
    return recorder


@pytest.mark.parametrize("architecture", OF_ARCHITECTURE)
@pytest.mark.parametrize("loss", LOSSES)
def test_recorded_steps_are_the_usual_ones(architecture, loss):
    path_length = any("path_length" in option for option in OF_ARCHITECTURE[architecture])
    longer = ("schedule.hold_kimg.16=0.2",) if path_length else ()
    recorder = both(f"network.name={architecture}", f"loss.name={loss}", *OF_ARCHITECTURE[architecture], *longer)
    # A stage has plain and penalised steps, or plain, penalised, and those with both penalties; a fade has its own
    stages, kinds = (1, 3) if path_length else (2, 6)
    assert len(recorder.recorded) == kinds and recorder.begun == stages and recorder.replayed >= 8


@pytest.mark.parametrize("extra", EXTRAS)
def test_with_what_a_run_may_have_beside(extra):
    assert len(both(*EXTRAS[extra]).recorded) == 6


def test_a_kind_of_step_is_recorded_after_its_warm_up(monkeypatch):
    """At 8 px every second step has the penalty: two kinds."""
    recorder = TapeRecorder()
    trainer, recorded = built(recorder=recorder), []
    for _ in range(2 * WARM_UP + 2):
        one_step(trainer)
        recorded.append(len(recorder.recorded))
    assert recorded == [0] * 2 * WARM_UP + [1, 2] and recorder.replayed == 0


# ---------------------------------------------------------------- tensors that become other ones


def test_what_was_loaded_is_what_goes_on():
    """Recorded steps, a checkpoint of another place loaded, and on: as the usual run does."""
    other = built("seed=1")
    while other.state.nimg < 40:  # it has moments of this size
        one_step(other)
    earlier = deepcopy(other.state.state_dict())

    def load_once(trainer):
        if trainer.state.nimg == 80 and not getattr(trainer, "loaded", False):
            trainer.loaded = True
            trainer.state.load_state_dict(deepcopy(earlier))

    assert both(between=load_once, until=96).begun == 2


@pytest.mark.parametrize("first", ("recorded", "usual"))
def test_a_run_goes_on_in_the_other_way(first):
    half = built(recorder=TapeRecorder() if first == "recorded" else None)
    whole = built()
    for trainer in (half, whole):
        while trainer.state.nimg < 168:
            one_step(trainer)
    other = built(recorder=None if first == "recorded" else TapeRecorder())
    other.state.load_state_dict(half.state.state_dict())
    for trainer in (other, whole):
        while trainer.state.nimg < trainer.schedule.total:
            one_step(trainer)
    same(other.state.state_dict(), whole.state.state_dict())


def test_slower_rates_reach_a_recorded_step():
    """As after a rollback, but for the loading."""

    def slower(trainer):
        if trainer.state.nimg == 72:
            trainer.state.watchdog.rate = 0.25

    both(until=96, between=slower)


def test_a_line_of_the_log_does_not_end_the_sums():
    def cleared(trainer):
        if trainer.state.nimg == 72:
            trainer.state.meter.clear()

    both(until=96, between=cleared)


# ---------------------------------------------------------------- what a recorded step must not do


def share_of_python(trainer, self, keep):
    for kept, new in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
        kept.data.lerp_(new.data, 1.0 - trainer.recipe.ema_keep(trainer.state.nimg, 8))


def label_weight_of_python(trainer, state, recipe, features, classes):
    weight = trainer.schedule.at(trainer.state.nimg).label_weight
    return weight * torch.nn.functional.cross_entropy(state.D.class_logits(features), classes)


def another_p(trainer, self, of=step.State.settle):
    of(self)
    self.augment.p = self.augment.p.clone()


def other_sums(trainer, self):
    self.sums, self.steps = {}, 0


def moments_dropped(trainer, self, phase, of=step.State.enter):
    of(self, phase)
    if trainer.state.nimg == 72:
        self.opt_G.state.clear()


NUMBERS = {
    "alpha": (step, "fade_reals", lambda t, reals, weight: fade_reals(reals, t.schedule.at(t.state.nimg).alpha)),
    "the image's number": (
        step,
        "make_fakes",
        lambda t, state, recipe, index, condition, of=step.make_fakes: of(
            state, recipe, torch.arange(t.state.nimg, t.state.nimg + 8), condition
        ),
    ),
    "the average's share": (Average, "update", share_of_python),
    "the label's weight": (step, "class_term", label_weight_of_python),
}
OTHERS = {
    "p": (step.State, "settle", another_p),
    "the log's sums": (meter.Meter, "clear", other_sums),
    "the moments": (step.State, "enter", moments_dropped),
}


@pytest.mark.parametrize("what", NUMBERS | OTHERS)
def test_a_number_of_python_and_a_tensor_that_became_another_one_are_noticed(what, monkeypatch):
    """The net itself: with the fault a recorded run differs from the usual one with the same fault."""
    owner, name, faulty = (NUMBERS | OTHERS)[what]

    def plant(trainer):
        monkeypatch.setattr(owner, name, lambda *given: faulty(trainer, *given))

    def cleared(trainer):
        if trainer.state.nimg == 72:
            trainer.state.meter.clear()

    with pytest.raises(AssertionError, match=r"at \d+|state\."):
        both(*ADA, *EXTRAS["auxiliary"], between=cleared, fault=plant)


@pytest.mark.parametrize("brings", (lambda: float(torch.ones(())), lambda: torch.tensor(1.0)))
def test_what_waits_for_the_device_is_not_recorded_and_the_run_goes_on(brings, monkeypatch, capsys):
    of = step.update_G
    monkeypatch.setattr(step, "update_G", lambda *given: brings() and of(*given))
    assert not both(until=120).recorded
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "steps are launched one by one from here on" in lines[0], lines
    assert "operation not permitted" in lines[0]


def test_the_keys_of_chance_bring_nothing_from_the_host(monkeypatch):
    def forget(trainer):
        rng._key.cache_clear()

    assert len(both(until=120, between=forget).recorded) >= 2


def test_memory_that_runs_out_in_a_recording_is_said_and_the_run_goes_on(monkeypatch, capsys):
    class Full(TapeRecorder):
        def record(self, call):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    usual, full = built(), built(recorder=Full())
    for _ in range(12):
        for trainer in (usual, full):
            one_step(trainer)
    same(usual.state.state_dict(), full.state.state_dict())
    told = "note: steps are launched one by one from here on; recording one failed: out of memory"
    assert capsys.readouterr().out.splitlines() == [told]
    assert full.take_step.recorder.begun == 2 and not full.take_step.of  # its memory is free again


@pytest.mark.parametrize("architecture", OF_ARCHITECTURE)
def test_no_graph_of_autograd_outlives_its_step(architecture):
    """Its nodes would keep the stream that they were made on."""
    trainer = built(f"network.name={architecture}", *OF_ARCHITECTURE[architecture])
    gc.collect()
    before = {id(node) for node in alive()}
    one_step(trainer)
    assert not [x for x in alive() if id(x) not in before]


def alive():
    tensors = (x for x in gc.get_objects() if issubclass(type(x), torch.Tensor))  # isinstance would wake proxies
    return [x for x in tensors if x.grad_fn is not None]


# ---------------------------------------------------------------- where it is not


def test_a_step_is_recorded_where_it_can_be(monkeypatch):
    card, cpu = torch.device("cuda"), torch.device("cpu")
    assert graphs.why_not(cpu) == "CUDA graphs need a CUDA device, this is a CPU" and not graphs.why_not(card)
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        assert "anomaly mode" in graphs.why_not(card)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert graphs.why_not(card) == "steps are recorded for one process, here are 2"


@pytest.mark.parametrize(
    "value, word", (("on", "on"), ("off", "off"), ("true", "on"), ("auto", "auto"), ("'on'", "on"))
)
def test_on_and_off_are_words_though_yaml_reads_them_as_true_and_false(value, word):
    assert load_config(overrides=[f"training.graphs={value}"]).training.graphs == word


def test_on_where_it_cannot_be_is_refused_and_auto_says_why(make, capsys):
    with pytest.raises(ValueError, match=r"^training.graphs: CUDA graphs need a CUDA device.*; expected off or auto$"):
        built("training.graphs=on")
    trainer, folder = make("run", "training.graphs=auto")
    trainer.run(folder, until=8)
    told = "note: steps are launched one by one (training.graphs auto): CUDA graphs need a CUDA device, this is a CPU"
    assert capsys.readouterr().out.splitlines().count(told) == 1

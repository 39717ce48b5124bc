"""Slices without a class in a training: whom they teach, and whom they do not.

Whole steps with them stand beside the reference in test_whole_step.py.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from run_tools import log_of, same

from progan_style import Trainer, condition_for, generate, load_config, load_data, load_generator, stage_dir
from progan_style.networks.conditions import Condition
from progan_style.networks.discriminator import ListeningHead
from progan_style.training.meter import Meter
from progan_style.training.step import mean_cross_entropy

ON = "data.unlabelled=true"


@pytest.fixture(scope="module")
def mixed_root(tmp_path_factory, toy_root):
    """The toy set, of whose training persons two thirds lie in unlabelled/."""
    root = tmp_path_factory.mktemp("mixed") / "slices"
    for path in sorted(toy_root.rglob("*.png")):
        split, name = path.relative_to(toy_root).parts[:2]
        number = int(path.stem[-4:-2])
        folder = root / split / ("unlabelled" if split == "train" and number >= 4 else name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    return root


@pytest.fixture
def build(make, mixed_root, tiny_overlay, tmp_path):
    """A tiny run on that: (trainer, its folder)."""

    def build(name="run", *overrides):
        overrides = [f"data.root={mixed_root}", ON, *overrides]
        config = load_config(overlay=tiny_overlay, overrides=overrides)
        return Trainer(config, load_data(config, 16, progress=False).learnt), tmp_path / name

    return build


def gradients_of(trainer, labels):
    """Of D's and G's tensors in a step on the same images with these labels, by name."""
    found = {}
    for part in ("D", "G"):
        optimiser, network = getattr(trainer.state, f"opt_{part}"), getattr(trainer.state, part)

        def step(part=part, network=network):
            found.update({f"{part}.{name}": p.grad for name, p in network.named_parameters() if p.grad is not None})

        optimiser.step = step
    images, _ = trainer.batch()
    trainer.step(images, torch.tensor(labels))
    return found


def test_an_unlabelled_batch_moves_no_embedding_and_no_class_head(build):
    """The last class is not taken for it: NumPy and PyTorch both count -1 from the end."""
    options = ("conditioning.name=auxiliary",)
    found = gradients_of(build("run", *options)[0], [-1] * 8)
    mine = {name for name, g in found.items() if g.any()}
    assert "G.mapping.layers.0.weight" in mine and "D.logit.weight" in mine
    assert not {name for name in mine if "embed" in name or "class_head" in name}
    found = gradients_of(build("run")[0], [-1] * 4 + [0] * 4)
    assert found["D.embed.weight"][0].any() and not found["D.embed.weight"][1].any()
    assert found["G.mapping.embed.weight"][0].any() and not found["G.mapping.embed.weight"][1].any()


def test_its_class_is_off_in_both_networks(build):
    """As at a label weight of 0: the same w, the same logit."""
    state = build()[0].state
    for network, of in ((state.G.mapping, state.G.mapping), (state.D, state.D.logits)):
        x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
        unknown = of(x, Condition.of_labels(torch.tensor([-1, -1, -1]), 2))
        network.label_weight.fill_(0.0)
        assert torch.equal(unknown, of(x, Condition.of_labels(torch.tensor([0, 1, 0]), 2)))
        network.label_weight.fill_(1.0)
        assert not torch.equal(unknown, of(x, Condition.of_labels(torch.tensor([0, 1, 0]), 2)))


def test_the_cross_entropy_is_over_all_and_of_the_labelled():
    logits = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 1, 2, 1] * 3)
    plain, whole = torch.nn.functional.cross_entropy(logits, labels), mean_cross_entropy(logits, labels)
    assert plain == whole
    assert torch.equal(*(torch.autograd.grad(term, logits)[0] for term in (plain, whole)))
    few = torch.where(torch.arange(12) < 3, labels, -1)
    by_hand = -sum(logits.log_softmax(dim=1)[i, int(labels[i])] for i in range(3)) / 12
    assert mean_cross_entropy(logits, few).item() == pytest.approx(by_hand.item())
    assert mean_cross_entropy(logits, torch.full([12], -1)) == 0.0  # not 0 / 0


def test_the_listening_class_head_hears_the_labelled_alone():
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    alone, among = ListeningHead(5, 2), ListeningHead(5, 2)
    strange = torch.cat([x, 50.0 + 9.0 * torch.randn(30, 5, generator=torch.Generator().manual_seed(1))])
    for _ in range(5):
        alone.track(x, Condition.of_labels(labels, 2))
        among.track(strange, Condition.of_labels(torch.cat([labels, torch.full([30], -1)]), 2))
        alone.settle()
        among.settle()
    assert all(torch.allclose(t, among.state_dict()[name], atol=1e-5) for name, t in alone.state_dict().items())


def test_real_class_acc_is_of_the_labelled(build, monkeypatch):
    """A head that names every labelled slice rightly has 1, however few they are."""
    trainer, run_dir = build("run", "schedule.resolutions=[16]", "schedule.hold_kimg.16=0.048")
    classes = iter(trainer.data.batch(trainer.config.seed, 0, 48, 16)[1].split(8))
    D, step = trainer.state.D, trainer.step
    now = []
    trainer.step = lambda *batch: (now.append(next(classes)), step(*batch))[1]

    def right(features):  # of both parts of a penalised batch
        mine = now[-1] if len(features) == 8 else now[-1].split(4)[right.calls % 2]
        right.calls += 1
        return torch.nn.functional.one_hot(mine.clamp(min=0), 2).float()

    right.calls = 0
    monkeypatch.setattr(D, "class_logits", right)
    trainer.run(run_dir)
    assert {line["real_class_acc"] for line in log_of(run_dir) if "real_class_acc" in line} == {1.0}
    meter = Meter(torch.device("cpu"))
    meter.count(a=0.5, b=1.0)
    meter.count_of(a=0.5)
    meter.steps = 2
    assert meter.means() == {"a": 1.0, "b": 0.5}


def test_a_run_with_them_that_was_cut_equals_one_that_was_not(build):
    options = ("conditioning.name=auxiliary", "data.sampling=balanced")
    whole, run_dir = build("whole", *options)
    assert whole.run(run_dir)
    cut, cut_dir = build("cut", *options)
    assert not cut.run(cut_dir, stop=lambda: cut.state.nimg >= 56)
    again, _ = build("cut", *options)
    assert again.run(cut_dir)
    same(whole.state.state_dict(), again.state.state_dict())
    assert log_of(run_dir) == log_of(cut_dir)
    G = load_generator(stage_dir(run_dir, 16) / "generator.safetensors")
    assert G.class_names == ("CN", "AD")
    with pytest.raises(ValueError, match="expected labels from 0 to 1 for CN, AD, got -1 to -1"):
        generate(G, [-1], [0])
    with pytest.raises(ValueError, match="unlabelled"):
        condition_for(G, ["unlabelled"], {})


def test_left_out_they_change_no_byte(make, mixed_root, tmp_path):
    plain = tmp_path / "plain"
    for path in mixed_root.rglob("*.png"):
        if "unlabelled" not in path.parts:
            (plain / path.relative_to(mixed_root)).parent.mkdir(parents=True, exist_ok=True)
            (plain / path.relative_to(mixed_root)).write_bytes(path.read_bytes())
    states = []
    for name, root in (("mixed", mixed_root), ("plain", plain)):
        trainer, run_dir = make(name, root=root)
        trainer.run(run_dir, stop=lambda trainer=trainer: trainer.state.nimg >= 24)
        states.append(trainer.state.state_dict())
    same(*states)


def test_the_largest_share_is_of_the_labelled(build):
    assert build()[0].largest_share() == 0.5


def test_conditions_are_heard_of_them_as_of_others(build, mixed_root, tmp_path, make):
    root, lines = tmp_path / "placed", ["path,subject,age"]
    for i, path in enumerate(sorted(mixed_root.rglob("*.png"))):
        name = path.relative_to(mixed_root)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(path.read_bytes())
        lines.append(f"{name.as_posix()},{path.stem[:-2]},{60 + i % 7}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    trainer, _ = build("run", "data.conditions={age: number}", f"data.root={root}")
    rows = np.flatnonzero(trainer.data.labels < 0)
    ages = trainer.data.columns["age"].astype(float)
    assert np.allclose(trainer.conditions.values[rows, 0], ((ages - ages.mean()) / ages.std())[rows], atol=1e-6)
    _, condition = trainer.batch()
    assert len(condition.values) == 8 and (condition.labels < 0).any()


def test_slices_of_another_configuration_are_refused(build, mixed_root, tiny_overlay):
    trainer, _ = build()
    with pytest.raises(ValueError, match=r"data\.unlabelled is true, and 0 of 16 training slices have no class"):
        Trainer(trainer.config, trainer.data.subset(trainer.data.labels >= 0))
    config = load_config(overlay=tiny_overlay, overrides=[f"data.root={mixed_root}"])
    with pytest.raises(ValueError, match=r"data\.unlabelled is false, and 32 of 48 training slices have no class"):
        Trainer(config, trainer.data)


def test_train_py_says_what_it_learns_from(call_shell, mixed_root, tiny_overlay, tmp_path):
    common = ("--data", mixed_root, "--config", tiny_overlay, "--set", ON)
    done = call_shell("train.py", *common, "--run", tmp_path / "run", "--until", "8")
    assert done.returncode == 0 and "train     unlabelled       32       16" in done.stdout, done.stderr
    made = call_shell("generate.py", "--run", tmp_path / "run", "--count", "1", "--to", tmp_path / "made")
    assert made.returncode == 0 and not list((tmp_path / "made").rglob("*unlabelled*")), made.stderr
    alone = tmp_path / "alone" / "unlabelled"
    alone.mkdir(parents=True)
    Image.new("L", (16, 16)).save(alone / "p_0.png")
    done = call_shell("train.py", "--data", alone.parent, *common[2:], "--run", tmp_path / "other")
    assert done.returncode == 2 and "unlabelled images alone in train" in done.stderr and "Traceback" not in done.stderr

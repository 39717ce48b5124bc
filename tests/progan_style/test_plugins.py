"""Own parts from a file of the user's: they work, are checked at the door, and never run by themselves."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from shell_tools import refused

from progan_style import Config, Trainer, load_config, plugins
from progan_style.training.augment import AUGMENTS, Pipe, Tone, columns, symmetric

REPO = Path(__file__).parents[2]
PARTS = re.findall(r"```python\n(.*?)```", (REPO / "docs" / "plugins.md").read_text(), re.DOTALL)[0]


@pytest.fixture(autouse=True)
def none_left():
    yield
    for name in list(plugins.LOADED):
        plugins.unload(name)


@pytest.fixture
def my_parts(tmp_path):
    """The file that docs/plugins.md shows."""
    (tmp_path / "my_parts.py").write_text(PARTS)
    return tmp_path / "my_parts.py"


OURS = (
    *("--set", "loss.name=least-squares", "--set", "loss.target=0.9"),
    *("--set", "augment.name=fixed", "--set", "augment.p=0.5"),
    *("--set", "augment.operations.coil=0.3", "--until", "8"),
)
CHOSEN = ("--set", "network.name=rounded", *OURS)


def test_the_parts_of_the_document_train_are_asked_for_again_and_make_a_report(
    my_parts, call_shell, toy_root, tiny_overlay, tmp_path, quick
):
    run, plugin = tmp_path / "run", ("--plugin", my_parts)
    begin = ("train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run, *CHOSEN)
    done = call_shell(*begin, *plugin)
    assert done.returncode == 0, done.stderr
    digest = plugins.LOADED["my_parts.py"].digest
    assert f"plugins:\n  my_parts.py: {digest}\n" in (run / "config.yaml").read_text()
    assert "loss_d.real" in (run / "log.jsonl").read_text()

    plugins.unload("my_parts.py")
    told = f"{run}: was trained with the plugin my_parts.py; name the same again: --plugin my_parts.py"
    refused(call_shell("train.py", "--run", run), told)
    architecture = "its architecture comes from the plugin my_parts.py; name it with --plugin my_parts.py"
    for command in (("generate.py", "--count", 2, "--to", tmp_path / "made"), ("predict.py", "--parts", "grid")):
        refused(call_shell(command[0], "--run", run, *command[1:]), architecture)
    assert not plugins.LOADED  # nothing of these files has made it run

    my_parts.write_text(PARTS + "\n# a remark\n")
    done = call_shell("train.py", "--run", run, "--until", 16, *plugin)
    assert done.returncode == 0 and "note: the plugin my_parts.py is not what it was when" in done.stdout, done.stderr
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "made", *plugin)
    assert done.returncode == 0, done.stderr
    done = call_shell("predict.py", "--run", run, "--samples-per-label", 20, "--parts", "own", *plugin)
    assert done.returncode == 0 and "KID AD, tiles" in done.stdout, done.stderr
    metrics = json.loads((run / "analysis-016" / "metrics.json").read_text())
    assert 0 <= abs(metrics["own.tiles.kid.AD.baseline"]) < metrics["own.tiles.kid.AD.untrained"]


def test_a_run_whose_architecture_is_ours_is_read_without_its_plugin(
    my_parts, call_shell, toy_root, tiny_overlay, tmp_path, quick
):
    run = tmp_path / "run"
    begin = ("train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run, *OURS)
    done = call_shell(*begin, "--plugin", my_parts)
    assert done.returncode == 0, done.stderr
    plugins.unload("my_parts.py")
    assert call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "made").returncode == 0
    assert call_shell("predict.py", "--run", run, "--samples-per-label", 20, "--parts", "grid").returncode == 0
    config = load_config(run / "config.yaml")
    assert config.loss.name == "least-squares" and config.loss.arguments == {"target": 0.9}
    with pytest.raises(ValueError, match=r"loss\.name: least-squares is of a plugin that is not loaded"):
        Trainer.check(config, torch.device("cpu"))


def test_no_file_of_a_run_makes_code_run(my_parts, call_shell, tiny_run, tmp_path):
    """A configuration that names a file beside it, in each way; a network that does."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run.run_dir, run)
    my_parts.write_text("open('RAN', 'w').close()\n")
    shutil.copy(my_parts, run)
    config = (run / "config.yaml").read_text().replace("plugins: {}\n", "")
    for text, told in (
        ("plugins: [my_parts.py]\n", "plugins: a configuration runs no code; name the file on the command line"),
        ("plugins: {my_parts.py: '0'}\n", "was trained with the plugin my_parts.py; name the same again"),
        ("plugins: {../my_parts.py: '0'}\n", "expected a name that a folder can have"),
    ):
        (run / "config.yaml").write_text(config + text)
        refused(call_shell("train.py", "--run", run), told)
    refused(call_shell("train.py", "--run", tmp_path / "new", "--config", run / "config.yaml"), "expected a name")
    assert not list(tmp_path.rglob("RAN")) and not Path("RAN").exists()


def test_a_plugin_is_run_once_and_again_when_it_has_changed(my_parts, tmp_path):
    first = plugins.load_plugin(my_parts)
    assert plugins.load_plugin(my_parts) is first and load_config().plugins == {"my_parts.py": first.digest}
    my_parts.write_text(PARTS + "\nCHANGED = 1\n")
    assert plugins.load_plugin(my_parts).digest != first.digest and list(plugins.LOADED) == ["my_parts.py"]
    (tmp_path / "other").mkdir()
    shutil.copy(my_parts, tmp_path / "other")
    with pytest.raises(ValueError, match="another plugin has this name already"):
        plugins.load_plugin(tmp_path / "other" / "my_parts.py")
    plugins.unload("my_parts.py")
    assert "coil" not in AUGMENTS and load_config().plugins == {}


def test_an_own_augmentation_leaves_the_numbers_of_the_others_as_they_are():
    """Counted when they are drawn: an operation that came later had no numbers."""
    images, index = torch.rand(8, 1, 16, 16), torch.arange(8)
    ranges = {name: operation.most / 4 for name, operation in AUGMENTS.items()}
    before, count = Pipe(0, ranges)(images, index, 0, torch.tensor(0.5)), columns()

    def lower(images, value, field):
        return images - value

    plugins.register_augmentation("lower", Tone(unit="levels", most=0.5, values=symmetric, apply=lower))
    try:
        assert columns() == count + 2
        assert torch.equal(Pipe(0, ranges)(images, index, 0, torch.tensor(0.5)), before)
        made = Pipe(0, dict.fromkeys(AUGMENTS, 0.0) | {"lower": 0.5})(images, index, 0, torch.tensor(1.0))
        assert (made != images).all() and (made - images).std(dim=(1, 2, 3)).max() < 1e-6
    finally:
        AUGMENTS.pop("lower")


def test_a_row_of_an_own_augmentation_may_be_left_out_and_has_its_limit(my_parts):
    plugins.load_plugin(my_parts)
    assert "coil" not in load_config().augment.operations
    with pytest.raises(ValueError, match=r"augment.operations.coil: expected 0 to 0.5 \(share\), got 2"):
        load_config(overrides=["augment.operations.coil=2"])
    with pytest.raises(ValueError, match=r"loss.target: belongs to loss.name least-squares, got it with relativistic"):
        load_config(overrides=["loss.target=1"])


HEAD = """import torch
from analysis import register_source
from progan_style import register_architecture, register_augmentation, register_loss
from progan_style.networks import stylegan2, discriminator
from progan_style.networks.contract import Generator
from progan_style.training.augment import Move, Operation, Tone, symmetric
from progan_style.training.losses import Hinge
"""
LINE = HEAD.count("\n") + 1
WRONG = {
    "a module that is not there": ("import nowhere", f"line {LINE}: ModuleNotFoundError: No module named 'nowhere'"),
    "no Python": ("def f(:", f"line {LINE}: SyntaxError: invalid syntax"),
    "a fault": ("1 / 0", f"line {LINE}: ZeroDivisionError: division by zero"),
    "an exit": ("raise SystemExit(3)", f"line {LINE}: SystemExit: 3"),
    "nothing": ("x = 1", "it registers nothing; expected register_loss"),
    "a name of ours": ("register_loss('hinge')(Hinge)", f"line {LINE}: loss hinge: there is one of this name already"),
    "a name twice": (
        "register_loss('mine')(Hinge)\nregister_loss('mine')(Hinge)",
        f"line {LINE + 1}: loss mine: there is one of this name already, of wrong.py; choose another",
    ),
    "no name": ("register_loss('My Loss!')(Hinge)", "loss 'My Loss!': expected a name of small letters"),
    "no class": ("register_loss('mine')(print)", "loss mine: expected a class, got <built-in function print>"),
    "no generator's loss": (
        "@register_loss('mine')\nclass Mine:\n    has_zero = True\n    def discriminator(self, c, r, f, g, u): ...",
        "loss mine: Mine lacks the method generator",
    ),
    "few arguments": (
        "class Mine(Hinge):\n    def generator(self, critic): ...\nregister_loss('mine')(Mine)",
        "loss mine: generator does not take what it is given (too many positional arguments)",
    ),
    "no zero": ("class Mine(Hinge):\n    has_zero = None\nregister_loss('mine')(Mine)", "loss mine: lacks has_zero"),
    "no type": (
        "class Mine(Hinge):\n    def __init__(self, a=1): ...\nregister_loss('mine')(Mine)",
        "loss mine: argument a: expected a name with a type, as in `weight: float`",
    ),
    "a term that is no scalar": (
        "class Mine(Hinge):\n    def generator(self, critic, reals, fakes): return critic(fakes)\n"
        "register_loss('mine')(Mine)",
        "loss mine: generator: expected named finite scalars",
    ),
    "a loss that fails": (
        "class Mine(Hinge):\n    def generator(self, critic, reals, fakes): return {'a': fakes.nothing}\n"
        "register_loss('mine')(Mine)",
        f"line {LINE + 1}: loss mine: fails on a trial: AttributeError: 'Tensor' object has no attribute 'nothing'",
    ),
    "a bare operation": (
        "register_augmentation('mine', Operation(unit='x', most=1.0, values=symmetric))",
        "augmentation mine: expected a Move or a Tone, got Operation",
    ),
    "numbers of another count": (
        "register_augmentation('mine', Move(unit='x', most=1.0, values=symmetric, rows=slice(0, 2)))",
        "augmentation mine: rows: expected 1 of the five rows of a pose",
    ),
    "a value of 0 that changes": (
        "register_augmentation('mine', Tone(unit='x', most=1.0, values=symmetric, apply=lambda i, v, f: i + 1))",
        "augmentation mine: apply: the value 0 has to leave an image as it is",
    ),
    "another shape": (
        "register_augmentation('mine', Tone(unit='x', most=1.0, values=symmetric, apply=lambda i, v, f: i[:, :, 1:]))",
        "augmentation mine: apply: expected images of the same shape",
    ),
    "a generator that lacks methods": (
        "class Mine(Generator): ...\nregister_architecture('mine', Mine, discriminator.Discriminator)",
        "architecture mine: Mine lacks active_layers, features, noise_size, synthesis",
    ),
    "no generator": (
        "register_architecture('mine', torch.nn.Linear, discriminator.Discriminator)",
        "architecture mine: expected a subclass of Generator of networks/contract.py",
    ),
    "images of another size": (
        "class Mine(stylegan2.Generator):\n"
        "    def synthesis(self, ws, noise=None): return super().synthesis(ws)[:, :, 1:]\n"
        "register_architecture('mine', Mine, discriminator.Discriminator)",
        "architecture mine: synthesis: expected [4, 1, 8, 8] of four images, got [4, 1, 7, 8]",
    ),
    "features of a batch": (
        "@register_source('mine')\ndef f(images): return (images - images.mean()).reshape(len(images), -1)",
        "source mine: the features of an image differ with the images beside it",
    ),
    "features of one row": (
        "@register_source('mine')\ndef f(images): return images.mean()",
        "source mine: expected numbers [4, F] of 4 images, got float64 []",
    ),
    "no numbers": (
        "@register_source('mine')\ndef f(images): return images.reshape(len(images), -1) / 0.0 - 1e400",
        "source mine: expected finite features, got NaN or infinity",
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("what", WRONG)
def test_a_plugin_that_cannot_be_used_is_one_line_and_leaves_nothing(what, call_shell, tmp_path):
    code, told = WRONG[what]
    (tmp_path / "wrong.py").write_text(HEAD + code + "\n")
    before = {**AUGMENTS}, Config
    done = call_shell("train.py", "--plugin", tmp_path / "wrong.py", "--run", tmp_path / "run")
    refused(done, f"train.py: --plugin {tmp_path / 'wrong.py'}")
    assert told in done.stderr
    assert not plugins.LOADED and ({**AUGMENTS}, Config) == before and not (tmp_path / "run").exists()


def test_a_file_that_is_no_plugin_is_told(call_shell, tmp_path):
    refused(call_shell("train.py", "--plugin", tmp_path / "none.py"), "none.py: no such file")
    (tmp_path / "notes.txt").touch()
    refused(call_shell("train.py", "--plugin", tmp_path / "notes.txt"), "notes.txt: expected a file NAME.py")
    refused(call_shell("train.py", "--plugin", tmp_path), "expected a file NAME.py")

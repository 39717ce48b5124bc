"""Which test notices a fault: one line of the training code at a time is made wrong, in a copy of the tree.

    python -m benchmarks.mutants [--only NAME ...] [--tests PATH ...] [--list]

Runs the tests in their order up to the first that fails, in one process, and prints for each fault its file and that
test, or LIVES: then nothing holds the line. First the tests run on the copy as it is; they have to pass. Exits with 1
if a fault lives.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[1]
FOLDERS = ("progan_style", "analysis", "benchmarks", "configs", "tests")
FILES = ("*.py", "*.yaml", "pyproject.toml")

# The first notices most faults within seconds; those that are not there are left out, with a line.
TESTS = tuple(
    f"tests/progan_style/{name}.py"
    for name in (
        *("training/test_whole_step", "training/test_losses", "training/test_path_length", "training/test_dependence"),
        *("training/test_step_on_meta", "networks/test_contract", "training/test_conditioning"),
        *("training/test_augment", "training/test_step", "training/test_state", "training/test_graphs"),
        "training/test_trainer",
    )
)


@dataclass(frozen=True)
class Mutant:
    """`old` stands in `file` exactly once; `new` is put in its place."""

    name: str
    file: str
    old: str
    new: str

    def planted(self, source: str) -> str:
        """The file's text with the fault in it."""
        assert source.count(self.old) == 1, f"{self.name}: {source.count(self.old)} times in {self.file}"
        return source.replace(self.old, self.new)


TRAINER, STEP, STATE, LOSSES, AUGMENT, METER, GRAPHS = (
    f"progan_style/training/{name}.py" for name in ("trainer", "step", "state", "losses", "augment", "meter", "graphs")
)
COLUMNS, CONDITIONS = "progan_style/data/conditions.py", "progan_style/networks/conditions.py"
LAYERS, DISCRIMINATOR, MAPPING, PASSES, RESAMPLING, STYLEGAN1, STYLEGAN2 = (
    f"progan_style/networks/{name}.py"
    for name in ("layers", "discriminator", "mapping", "passes", "resampling", "stylegan1", "stylegan2")
)

MUTANTS = [
    # ------------------------------------------------------------ losses
    Mutant(
        "R2 on the reals twice",
        LOSSES,
        "(slopes(real_logits, reals) + slopes(fake_logits, fakes))",
        "(slopes(real_logits, reals) + slopes(real_logits, reals))",
    ),
    Mutant(
        "R1 without its half",
        LOSSES,
        '"fake": F.softplus(critic(fakes)).mean()}\n'
        "        if gamma > 0:\n"
        '            terms["penalty"] = 0.5 * gamma *',
        '"fake": F.softplus(critic(fakes)).mean()}\n        if gamma > 0:\n            terms["penalty"] = gamma *',
    ),
    Mutant(
        "wgan-gp looks in the middle",
        LOSSES,
        "share = u[:, None, None, None]",
        "share = torch.full_like(u, 0.5)[:, None, None, None]",
    ),
    Mutant("hinge without margin", LOSSES, "F.relu(1.0 - real_logits)", "F.relu(-real_logits)"),
    Mutant(
        "the fakes' pairs are shifted",
        LOSSES,
        "F.softplus(fake_logits - real_logits)",
        "F.softplus(fake_logits.roll(1) - real_logits)",
    ),
    Mutant(
        "the drift is of the fakes",
        LOSSES,
        "DRIFT * real_logits.square().mean()",
        "DRIFT * critic(fakes).square().mean()",
    ),
    # ------------------------------------------------------------ the step
    Mutant(
        "D's calls share their augmentation",
        STEP,
        "images = self.augment(images, len(self.seen))",
        "images = self.augment(images, 0)",
    ),
    Mutant(
        "G's calls are augmented as D's",
        STEP,
        "critic = make_critic(state, recipe, batch, CALLS_OF_D)",
        "critic = make_critic(state, recipe, batch)",
    ),
    Mutant(
        "the penalty is on augmented images",
        STEP,
        "    terms = recipe.loss.discriminator(critic, part.reals, part.fakes, gamma, u)\n",
        "    reals, fakes = part.reals, part.fakes\n"
        "    if critic.augment is not None:\n"
        "        reals, fakes, critic.augment = critic.augment(reals, 0), critic.augment(fakes, 1), None\n"
        "    terms = recipe.loss.discriminator(critic, reals, fakes, gamma, u)\n",
    ),
    Mutant(
        "G's class term is detached",
        STEP,
        "state.D.class_logits(critic.seen[-1][0])",
        "state.D.class_logits(critic.seen[-1][0].detach())",
    ),
    Mutant(
        "G's class term without the label's weight",
        STEP,
        "weight = recipe.generator_weight * state.D.label_weight",
        "weight = recipe.generator_weight",
    ),
    Mutant(
        "the trunk's class gradient without the label's weight",
        STEP,
        "scale_gradient(features, recipe.class_weight * state.D.label_weight)",
        "scale_gradient(features, recipe.class_weight * torch.ones_like(state.D.label_weight))",
    ),
    Mutant(
        "the auxiliary head hears no fakes",
        STEP,
        "if recipe.class_weight and recipe.fakes_too:",
        "if False:",
    ),
    Mutant(
        "r_t is of the fakes",
        STEP,
        "state.augment.watch(*torch.cat(logits, dim=1))",
        "state.augment.watch(*torch.cat(logits, dim=1).flip(0))",
    ),
    Mutant(
        "the path length's labels are shifted",
        STEP,
        "batch.index[::SHARE], batch.condition[::SHARE])",
        "batch.index[::SHARE], batch.condition[1::SHARE])",
    ),
    Mutant(
        "the path length's y is the noise",
        STEP,
        'y = rng.normal(recipe.seed, "path", index, images[0].numel())',
        'y = rng.normal(recipe.seed, "noise", index, images[0].numel())',
    ),
    Mutant(
        "style mixing with the same latent",
        STEP,
        "other = state.G.mapping(z[:, z_dim:], condition)",
        "other = state.G.mapping(z[:, :z_dim], condition)",
    ),
    Mutant(
        "style mixing with another label",
        STEP,
        "other = state.G.mapping(z[:, z_dim:], condition)",
        "other = state.G.mapping(z[:, z_dim:], condition[torch.arange(len(condition)).roll(1)])",
    ),
    Mutant(
        "the crossover is always in the middle",
        MAPPING,
        "crossover = 1 + (u[:, 1] * (active_layers - 1)).floor()",
        "crossover = torch.full_like(u[:, 1], active_layers // 2)",
    ),
    Mutant(
        "training without noise",
        STEP,
        'images = state.synthesis(ws, rng.normal(recipe.seed, "noise", index, state.G.noise_size))',
        "images = state.synthesis(ws)",
    ),
    Mutant(
        "the class head hears the fakes",
        STEP,
        "state.D.track(features, part.condition)",
        "state.D.track(critic.seen[1][0], part.condition)",
    ),
    Mutant(
        "the auxiliary head believes fakes from the first image",
        STEP,
        "on_classes.append(state.D.label_weight * on_fakes)",
        "on_classes.append(on_fakes)",
    ),
    Mutant(
        "D sees what lies beyond black and white",
        STEP,
        "return images.clamp(-1.0, 1.0)",
        "return images.clone()",
    ),
    Mutant(
        "far beyond, pixels are pushed out",
        STEP,
        "(far & (g * images > 0))",
        "far",
    ),
    Mutant(
        "r_t is about the mean of the fakes",
        AUGMENT,
        "torch.sign(reals if self.has_zero else reals - fakes)",
        "torch.sign(reals if self.has_zero else reals - fakes.mean())",
    ),
    Mutant(
        "covariance about the old means",
        DISCRIMINATOR,
        " - (moved * counts[:, None]).T @ moved)",
        ")",
    ),
    Mutant(
        "balanced slices at others' positions",
        TRAINER,
        "self.conditions.of(self.data.indices(seed, first, n, balanced), seed, index)",
        "self.conditions.of(self.data.indices(seed, first, n), seed, index)",
    ),
    Mutant("no condition is made unknown", COLUMNS, "values = torch.where(u < DROPPED, math.nan, values)", "pass"),
    Mutant("conditions are unknown together", COLUMNS, "torch.where(u < DROPPED,", "torch.where(u[:, :1] < DROPPED,"),
    Mutant(
        "unfaded reals",
        STEP,
        "reals = fade_reals(reals, state.D.weight)",
        "pass",
    ),
    Mutant(
        "the alpha of before growth",
        STATE,
        "network.grow(phase.resolution, phase.alpha)",
        "network.grow(phase.resolution, network.alpha)",
    ),
    Mutant(
        "moments are kept at growth",
        STATE,
        "optimizer.state.clear()",
        "pass",
    ),
    Mutant(
        "G learns at D's rate",
        STATE,
        "((self.opt_G, phase.lr_g), (self.opt_D, phase.lr_d))",
        "((self.opt_G, phase.lr_d), (self.opt_D, phase.lr_d))",
    ),
    Mutant(
        "the penalty without its interval",
        STEP,
        "gamma = phase.r1_gamma * recipe.penalty_interval if",
        "gamma = phase.r1_gamma if",
    ),
    Mutant(
        "D's gradients pile up",
        STEP,
        "state.opt_D.zero_grad(set_to_none=True)",
        "pass",
    ),
    Mutant(
        "G before D",
        STEP,
        "    terms_d = update_D(state, recipe, batch, kind.gamma)\n"
        "    terms_g = update_G(state, recipe, batch, kind.path_length)\n",
        "    terms_g = update_G(state, recipe, batch, kind.path_length)\n"
        "    terms_d = update_D(state, recipe, batch, kind.gamma)\n",
    ),
    Mutant(
        "the average takes G of before",
        STEP,
        "    terms_g = update_G(state, recipe, batch, kind.path_length)\n    state.average.update(inputs.keep)\n",
        "    state.average.update(inputs.keep)\n    terms_g = update_G(state, recipe, batch, kind.path_length)\n",
    ),
    Mutant(
        "the average without its ramp-up",
        STEP,
        "if self.ema_rampup is not None:",
        "if False:",
    ),
    # ------------------------------------------------------------ recorded steps
    Mutant("a recorded step reads the slices of its recording", GRAPHS, "recording.inputs.copy_(inputs)", "pass"),
    Mutant(
        "a recording outlives a new size", STATE, "optimizer.state.clear()\n                self.bound += 1", "pass"
    ),
    Mutant(
        "a recording outlives what was loaded",
        STATE,
        "part.load_state_dict(state[name])\n        self.bound += 1",
        "part.load_state_dict(state[name])",
    ),
    Mutant("a recorded step keeps its rates", STEP, "phase.lr_g * rate, phase.lr_d * rate)", "0.0, 0.0)"),
    Mutant("the host reads the average's share", STATE, "1.0 - keep)", "1.0 - float(keep))"),
    Mutant("p becomes another tensor", AUGMENT, "self.p.copy_(self.strength.moved(", "self.p = (self.strength.moved("),
    Mutant("the log's sums become other tensors", METER, "value.zero_()\n", "pass\n        self.sums = {}\n"),
    # ------------------------------------------------------------ networks
    Mutant(
        "D's label weight stays 1",
        STATE,
        "for part in (self.G.mapping, self.D):",
        "for part in (self.G.mapping,):",
    ),
    Mutant("z is not normalised", MAPPING, "x = normalize(z.float())", "x = z.float()"),
    Mutant(
        "the label's embedding is not normalised",
        MAPPING,
        "self.label_weight * normalize(condition.of_classes(self.embed.weight))",
        "self.label_weight * condition.of_classes(self.embed.weight)",
    ),
    Mutant(
        "G does not hear the position",
        MAPPING,
        "normalize(self.position(condition.position, z.shape[0]))",
        "normalize(self.position(None, z.shape[0]))",
    ),
    Mutant(
        "D does not hear the position",
        DISCRIMINATOR,
        "of_position = self.position(condition.position, len(features))",
        "of_position = self.position(None, len(features))",
    ),
    Mutant(
        "G does not hear age",
        MAPPING,
        "self.conditions(condition.values, x)",
        "self.conditions(condition.values * torch.tensor([math.nan, 1.0]), x)",
    ),
    Mutant(
        "D does not hear age",
        DISCRIMINATOR,
        "self.conditions(condition.values, features)",
        "self.conditions(condition.values * torch.tensor([math.nan, 1.0]), features)",
    ),
    Mutant(
        "neither hears what is not known",
        CONDITIONS,
        "torch.where(unknown[:, None], self.unknown, known)",
        "known",
    ),
    Mutant(
        "a condition's embedding is not normalised",
        MAPPING,
        "*map(normalize, self.conditions(condition.values, x))",
        "*self.conditions(condition.values, x)",
    ),
    Mutant(
        "D adds a condition without 1 / sqrt(F)",
        DISCRIMINATOR,
        "(of_others * features).sum(dim=1) / math.sqrt(self.num_features)",
        "(of_others * features).sum(dim=1)",
    ),
    Mutant(
        "projection without 1 / sqrt(F)",
        DISCRIMINATOR,
        "out = out + (of_class * features).sum(dim=1) / math.sqrt(self.num_features)",
        "out = out + (of_class * features).sum(dim=1)",
    ),
    Mutant(
        "minibatch deviation of the whole batch",
        LAYERS,
        "groups = x.float().reshape(n // self.group, self.group, c, h, w)",
        "groups = x.float()[None].expand(n // self.group, n, c, h, w)",
    ),
    Mutant(
        "noise without effect in stylegan1",
        STYLEGAN1,
        "plus_outer(x, noise, strength)",
        "plus_outer(x, torch.zeros_like(noise), strength)",
    ),
    Mutant(
        "the noise's strength learns from the map instead of its gradient",
        STYLEGAN1,
        "sum_of_products(du, noise, mean.dtype)",
        "sum_of_products(v, noise, mean.dtype)",
    ),
    Mutant(
        "stylegan1's leaky ReLU has no slope",
        STYLEGAN1,
        "du = leaky_slope_(multiply_add(rest, (g, scale), (v, of_v)), v)",
        "du = multiply_add(rest, (g, scale), (v, of_v))",
    ),
    Mutant(
        "factors of a row stand in the order of its pixels",
        PASSES,
        "a.to(x.dtype).repeat(1, w)[:, None]) for y, a in terms",
        "a.to(x.dtype).repeat_interleave(w, 1)[:, None]) for y, a in terms",
    ),
    Mutant("the blur's bias does not learn", RESAMPLING, "if ctx.biased:", "if False:"),
    Mutant(
        "stylegan1's to_image with gain sqrt 2",
        STYLEGAN1,
        "self.to_image = Conv(c_out, 1, 1, gain=1.0)",
        "self.to_image = Conv(c_out, 1, 1)",
    ),
    Mutant(
        "stylegan2's part of the image with gain sqrt 2",
        STYLEGAN2,
        "self.scale = 1.0 / math.sqrt(channels)",
        "self.scale = math.sqrt(2.0) / math.sqrt(channels)",
    ),
    Mutant("stylegan2's newest part counts in full", STYLEGAN2, "part = part * self.weight", "part = part * 1.0"),
    # ------------------------------------------------------------ augmentation
    Mutant(
        "noise by the numbers of the poses",
        AUGMENT,
        'rng.normal(self.seed, "augment", keys + CALLS, n)',
        'rng.normal(self.seed, "augment", keys, n)',
    ),
]


def copy_tree(to: Path) -> None:
    """What the tests need, without the data, the caches and the pictures."""
    for folder in FOLDERS:
        shutil.copytree(REPO / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for pattern in FILES:
        for path in REPO.glob(pattern):
            shutil.copy(path, to)


def first_failure(tree: Path, tests: Sequence[str]) -> str | None:
    """The first test that fails, or None. Raises RuntimeError if pytest did not get as far as a test."""
    # A fault may leave a file's size and second as they were: no compiled file of before is to be taken for it.
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    failed = re.search(r"^FAILED (\S+::.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if done.returncode != 1 or failed is None:
        raise RuntimeError(f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return failed[1].removeprefix("tests/")


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0])
    p.add_argument("--only", metavar="NAME", nargs="+", choices=[m.name for m in MUTANTS], help="these faults alone")
    p.add_argument("--tests", metavar="PATH", nargs="+", help="these tests, in this order")
    p.add_argument("--list", action="store_true", help="name the faults and stop")
    args = p.parse_args(argv)

    chosen = [m for m in MUTANTS if not args.only or m.name in args.only]
    if args.list:
        print("\n".join(f"{m.file:36} {m.name}" for m in chosen))
        return 0
    tests = [test for test in args.tests or TESTS if (REPO / test.partition("::")[0]).exists()]
    for test in set(args.tests or TESTS) - set(tests):
        print(f"{test}: not there, left out", file=sys.stderr)
    living = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copy_tree(tree)
        began = time.monotonic()
        if failed := first_failure(tree, tests):
            print(f"without a fault {failed} fails; mend that first", file=sys.stderr)
            return 2
        print(f"without a fault all pass ({time.monotonic() - began:.0f} s)", flush=True)
        for mutant in chosen:
            path, began = tree / mutant.file, time.monotonic()
            source = path.read_text(encoding="utf-8")
            path.write_text(mutant.planted(source), encoding="utf-8")
            failed = first_failure(tree, tests)
            path.write_text(source, encoding="utf-8")
            living += failed is None
            seconds = f"{time.monotonic() - began:5.0f} s"
            print(f"{mutant.name:54} {mutant.file:36} {seconds}  {failed or 'LIVES'}", flush=True)
    print(f"{len(chosen) - living} of {len(chosen)} faults are noticed")
    return 1 if living else 0


if __name__ == "__main__":
    sys.exit(main())

import functools
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import report
from analysis.embedding import pca_embed
from analysis.features import train_judge
from progan_style import Phase, finished_stages, load_generator, stage_dir

REPO = Path(__file__).parents[2]
PICTURES = {"confusion.png", "real_vs_fake.png", "umap_generator.png", "umap_discriminator.png"}


@pytest.fixture
def quick(monkeypatch):
    """A judge of seconds and PCA in UMAP's place."""
    monkeypatch.setattr(report, "train_judge", functools.partial(train_judge, images_seen=640))
    monkeypatch.setattr(report, "umap_embed", lambda features, seed: pca_embed(features, 2, seed))


@pytest.fixture
def run(tiny_run, tmp_path):
    """The tiny run in a folder of this test's own, since reports write into it."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for path in ("config.yaml", "stage-008", "stage-016"):
        (folder / path).symlink_to(tiny_run.run_dir / path)
    return replace(tiny_run, run_dir=folder)


@pytest.fixture(scope="module")
def shell():
    spec = importlib.util.spec_from_file_location("predict_shell", REPO / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_predict_writes_pictures_and_numbers_with_their_controls(run, shell, quick, capsys):
    assert shell.main(["--run", str(run.run_dir), "--samples-per-label", "24", "--device", "cpu"]) == 0
    folder = run.run_dir / "analysis-016"
    assert {path.name for path in folder.iterdir()} == PICTURES | {"metrics.json"}
    for name in PICTURES:
        assert "psi 1, 24 generated per label" in Image.open(folder / name).info["Description"]
    assert "cannot prove" in Image.open(folder / "umap_generator.png").info["Description"]

    numbers = json.loads((folder / "metrics.json").read_text())
    for name in ("CN", "AD"):
        # An almost untrained generator is nowhere near the reals, training reals are.
        assert abs(numbers[f"kid.{name}.floor"]) < numbers[f"kid.{name}"]
        assert numbers[f"coverage.{name}"] < numbers[f"coverage.{name}.floor"]
        assert {f"kid.{name}.untrained", f"coverage.{name}.untrained"} <= set(numbers)
    assert numbers["fidelity.ceiling"] > 0.95 and numbers["fidelity.shuffled"] == pytest.approx(0.5, abs=0.05)
    assert numbers["fidelity.over_typical"] == (numbers["fidelity.auc"] > numbers["fidelity.ceiling"])
    assert numbers["trtr.auc"] == numbers["fidelity.ceiling"] and 0 <= numbers["tstr.auc"] <= 1
    assert np.sum(numbers["discriminator.confusion"]) == numbers["unseen.slices"] == 48
    assert numbers["unseen.part"] == "test" and numbers["unseen.persons"] == 24
    assert numbers["nimg"] == load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors").nimg
    assert len(numbers["extractor.hash"]) == 12

    printed = capsys.readouterr().out
    assert "KID AD" in printed and "real-real floor" in printed and "untrained" in printed
    assert "shuffled labels" in printed and "umap_generator.png" in printed


def test_predict_takes_a_finished_size(run, shell, quick):
    assert finished_stages(run.run_dir) == [8, 16]
    assert shell.main(["--run", str(run.run_dir), "--size", "8", "--samples-per-label", "20"]) == 0
    assert json.loads((run.run_dir / "analysis-008" / "metrics.json").read_text())["resolution"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "32"], "size 32 is not trained yet; finished: 8, 16"),
        (["--samples-per-label", "1"], "--samples-per-label: 2 or more expected, got 1"),
    ],
)
def test_predict_refuses_in_one_line_and_writes_nothing(arguments, message, run, shell, capsys):
    assert shell.main(["--run", str(run.run_dir), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(run.run_dir.glob("analysis-*"))


def test_predict_without_a_run_says_how_to_make_one(shell, tmp_path, capsys):
    assert shell.main(["--run", str(tmp_path / "none")]) == 2
    assert "python train.py" in capsys.readouterr().err


def test_help_waits_for_no_heavy_import():
    code = (
        "import runpy, sys; sys.argv = ['predict.py', '--help']\n"
        "try: runpy.run_path('predict.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'umap', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--samples-per-label" in done.stdout


def test_classes_of_another_data_set_are_refused(run):
    other = replace(run.data, class_names=("AD", "CN"))
    with pytest.raises(ValueError, match="trained on classes CN, AD, the data have AD, CN"):
        report.predict_report(run.run_dir, other, 16, samples_per_label=4)


def test_without_unseen_slices_their_numbers_are_left_out_with_a_line(run, quick):
    nobody = run.data.test.subset(np.zeros(len(run.data.test), dtype=bool))
    lines = []
    numbers = report.predict_report(
        run.run_dir, replace(run.data, validate=nobody, test=nobody), 16, samples_per_label=20, say=lines.append
    )
    assert any("no test or validate part" in line for line in lines)
    assert not [name for name in numbers if name.startswith(("kid", "coverage", "fidelity", "tstr", "discriminator."))]
    assert "real_vs_fake.png" in numbers["pictures"] and "umap_generator.png" in numbers["pictures"]


def test_a_part_without_enough_data_does_not_lose_the_others(run, quick):
    one_class = run.data.test.subset(run.data.test.labels == 0)
    numbers = report.predict_report(run.run_dir, replace(run.data, test=one_class), 16, samples_per_label=20)
    assert "real_vs_fake.png" in numbers["pictures"]
    assert any("fidelity left out" in note for note in numbers["notes"])
    assert "kid.CN" in numbers and "fidelity.auc" not in numbers


def test_unknown_persons_are_not_counted(run, quick):
    numbers = report.predict_report(run.run_dir, replace(run.data, subjects_known=False), 16, samples_per_label=20)
    assert numbers["unseen.persons"] is None and numbers["kid.CN"] > 0


def test_the_ruler_is_validated_and_compared_with_shuffled_labels(run, quick, monkeypatch):
    import analysis.ruler

    size = np.where(run.data.test.labels, 0.08, 0.05) + np.linspace(0, 0.001, len(run.data.test))
    test = replace(run.data.test, columns={"ventricle_ratio": size.astype(str)})
    monkeypatch.setattr(report, "SMALLEST_RULED", 16)
    answers = iter([size, np.where(np.arange(40) < 20, 0.05, 0.065)])
    monkeypatch.setattr(analysis.ruler, "ventricle_ratio", lambda images: next(answers))
    numbers = report.predict_report(run.run_dir, replace(run.data, test=test), 16, samples_per_label=20)
    assert numbers["ruler.spearman"] == pytest.approx(1)
    assert numbers["atrophy.ratio"] == pytest.approx(0.5, abs=0.02)
    assert abs(numbers["atrophy.shuffled"]) < 0.2


# ------------------------------------------------------------------ during training


def phase_of(resolution: int) -> Phase:
    from dataclasses import fields

    values = {field.name: 1.0 for field in fields(Phase)} | {"resolution": resolution, "batch_size": 8}
    return Phase(**values)


def test_the_evaluator_gives_kid_and_fidelity_on_the_validate_part(run, quick, tmp_path):
    G = load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors")
    evaluate = report.evaluator(run.data, samples_per_label=16, cache_dir=tmp_path)
    before = torch.random.get_rng_state()
    numbers = evaluate(G, phase_of(16))
    assert set(numbers) == {"kid", "kid.CN", "kid.AD", "fidelity.auc", "fidelity.accuracy"}
    assert numbers["kid"] == pytest.approx((numbers["kid.CN"] + numbers["kid.AD"]) / 2)
    assert evaluate(G, phase_of(16)) == numbers
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(list(tmp_path.glob("judge-016-*"))) == 1


def test_without_a_validate_part_there_is_no_evaluator(run):
    nobody = run.data.test.subset(np.zeros(len(run.data.test), dtype=bool))
    assert report.evaluator(replace(run.data, validate=nobody)) is None

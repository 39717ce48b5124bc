"""python predict.py: what it writes and prints, what it refuses."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from progan_style import finished_stages, load_generator, stage_dir

REPO = Path(__file__).parents[3]
PICTURES = {
    *(
        "real_vs_fake.png",
        "generated.png",
        "similarity.png",
        "pixels.png",
        "fidelity.png",
        "confusion.png",
        "copies.png",
    ),
    *("closest_pairs.png", "copies_per_person.png", "umap_reference.png", "pca_reference.png", "umap_joint.png"),
    *("umap_interactive.html", "umap_generator.png", "umap_discriminator.png"),
    *("slider.png", "same_brain.png", "difference_map.png", "cn_to_ad.png", "difference_real.png", "projection.png"),
    *("style_mixing.png", "truncation.png", "interpolation.gif"),
}
# The names that the docs promise, for every class where a class stands in them
PROMISED = {
    *("fidelity.real", "fidelity.auc", "fidelity.accuracy", "fidelity.shuffled", "tstr.auc", "trtr.auc"),
    *("copies.share", "copies.false_alarms", "kid.AD", "kid.AD.baseline", "kid.CN", "kid.CN.baseline", "coverage.AD"),
    *("coverage.AD.baseline", "coverage.CN", "coverage.CN.baseline", "discriminator.accuracy", "discriminator.auc"),
    *("umap.knn_purity", "umap.knn_purity.shuffled"),
}


@pytest.fixture(scope="module")
def shell():
    spec = importlib.util.spec_from_file_location("predict_shell", REPO / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_predict_writes_a_page_pictures_and_numbers_with_their_controls(run, shell, quick, capsys):
    assert shell.main(["--run", str(run.run_dir), "--samples-per-label", "24", "--device", "cpu"]) == 0
    folder = run.run_dir / "analysis-016"
    written = {path.name for path in folder.iterdir()}
    assert written == PICTURES | {"metrics.json", "report.html", "model_card.md", "sections"}
    for name in PICTURES:
        if name.endswith(".png"):
            assert "psi 1, 24 generated per label" in Image.open(folder / name).info["Description"]

    numbers = json.loads((folder / "metrics.json").read_text())
    assert set(numbers) >= PROMISED
    for name in ("CN", "AD"):
        # An almost untrained generator is nowhere near the reals, training reals are.
        assert abs(numbers[f"kid.{name}.baseline"]) < numbers[f"kid.{name}"]
        assert numbers[f"coverage.{name}"] < numbers[f"coverage.{name}.baseline"]
        assert numbers[f"frechet.{name}.baseline"] < numbers[f"frechet.{name}"]
        assert numbers[f"n.{name}.held_out.persons"] == numbers[f"n.{name}.neighbours"] == 12
        assert {f"kid.{name}.untrained", f"coverage.{name}.untrained"} <= set(numbers)
    assert numbers["fidelity.real"] > 0.95 and numbers["fidelity.shuffled"] == pytest.approx(0.5, abs=0.05)
    assert numbers["fidelity.more_typical_than_real"] == (numbers["fidelity.auc"] > numbers["fidelity.real"])
    assert numbers["trtr.auc"] == numbers["fidelity.real"] and 0 <= numbers["tstr.auc"] <= 1
    assert np.sum(numbers["discriminator.confusion"]) == numbers["held_out.slices"] == 48
    assert numbers["held_out.split"] == "test" and numbers["held_out.persons"] == 24
    assert numbers["nimg"] == load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors").nimg
    assert len(numbers["extractor.hash"]) == 12
    assert {
        f"seconds.{name}" for name in ("generate", "reference_classifier", "similarity", "fidelity", "copies", "umap")
    } <= set(numbers)

    printed = capsys.readouterr().out
    assert "KID AD" in printed and "real-vs-real baseline" in printed and "untrained" in printed
    assert "shuffled labels" in printed and "report.html" in printed


def test_sections_have_names(run, shell, quick, capsys):
    assert shell.main(["--run", str(run.run_dir), "--samples-per-label", "20", "--parts", "grid,fidelity"]) == 0
    numbers = json.loads((run.run_dir / "analysis-016" / "metrics.json").read_text())
    assert "fidelity.auc" in numbers and not [name for name in numbers if name.startswith(("kid", "umap"))]
    assert shell.main(["--run", str(run.run_dir), "--parts", "grid,fidel"]) == 2
    assert "--parts: expected some of grid, training, similarity" in capsys.readouterr().err


def test_predict_takes_a_finished_size(run, shell, quick):
    assert finished_stages(run.run_dir) == [8, 16]
    assert shell.main(["--run", str(run.run_dir), "--size", "8", "--samples-per-label", "20", "--parts", "grid"]) == 0
    assert json.loads((run.run_dir / "analysis-008" / "metrics.json").read_text())["resolution"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "32"], "size 32 is not trained yet; finished: 8, 16"),
        (["--samples-per-label", "1"], "--samples-per-label: 2 or more expected, got 1"),
        (["--inception", "nowhere.pth"], "--inception nowhere.pth: no such file"),
    ],
)
def test_predict_refuses_in_one_line_and_writes_nothing(arguments, message, run, shell, capsys):
    assert shell.main(["--run", str(run.run_dir), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(run.run_dir.glob("analysis-*"))


def test_weights_of_another_hash_are_refused_before_they_are_opened(run, shell, tmp_path, capsys):
    (tmp_path / "weights.pth").write_bytes(b"something else")
    assert shell.main(["--run", str(run.run_dir), "--inception", str(tmp_path / "weights.pth")]) == 2
    error = capsys.readouterr().err
    assert "sha256" in error and "expected 6726825d0af5" in error and error.count("\n") == 1


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


def test_a_section_asked_for_by_name_is_owed(run, shell, quick, capsys):
    arguments = ["--run", str(run.run_dir), "--samples-per-label", "20", "--parts", "grid,inception"]
    assert shell.main(arguments) == 2
    assert "left out: inception: InceptionV3 has no weights here" in capsys.readouterr().err
    assert (run.run_dir / "analysis-016" / "real_vs_fake.png").is_file()

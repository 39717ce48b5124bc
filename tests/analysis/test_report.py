import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import Options, make_report, page, parts, run_context
from analysis import context as contexts
from analysis import slices as slices_module
from analysis.sources import FeatureTable
from progan_style import finished_stages, load_generator, stage_dir

REPO = Path(__file__).parents[2]
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
    *("closest_pairs.png", "copies_per_person.png", "umap_judge.png", "pca_judge.png", "umap_joint.png"),
    *("umap_interactive.html", "umap_generator.png", "umap_discriminator.png"),
    *("same_brain.png", "difference_map.png", "cn_to_ad.png", "difference_real.png", "projection.png"),
    *("style_mixing.png", "truncation.png", "interpolation.gif"),
}
# The names that issue and docs promise, for every class where a class stands in them
PROMISED = {
    *("fidelity.ceiling", "fidelity.auc", "fidelity.accuracy", "fidelity.shuffled", "tstr.auc", "trtr.auc"),
    *("copies.share", "copies.floor", "kid.AD", "kid.AD.floor", "kid.CN", "kid.CN.floor", "coverage.AD"),
    *("coverage.AD.floor", "coverage.CN", "coverage.CN.floor", "discriminator.accuracy", "discriminator.auc"),
    *("umap.knn_purity", "umap.knn_purity.shuffled"),
}


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


def predict(run, chosen=None, data=None, public=False, **arguments):
    arguments = {"samples_per_label": 24} | arguments
    return make_report(run_context(run.run_dir, data or run.data, 16, Options(**arguments)), chosen, public)


def test_predict_writes_a_page_pictures_and_numbers_with_their_controls(run, shell, quick, capsys):
    assert shell.main(["--run", str(run.run_dir), "--samples-per-label", "24", "--device", "cpu"]) == 0
    folder = run.run_dir / "analysis-016"
    written = {path.name for path in folder.iterdir()}
    assert written == PICTURES | {"metrics.json", "report.html", "model_card.md", "parts"}
    for name in PICTURES:
        if name.endswith(".png"):
            assert "psi 1, 24 generated per label" in Image.open(folder / name).info["Description"]

    numbers = json.loads((folder / "metrics.json").read_text())
    assert set(numbers) >= PROMISED and not undocumented(numbers)
    for name in ("CN", "AD"):
        # An almost untrained generator is nowhere near the reals, training reals are.
        assert abs(numbers[f"kid.{name}.floor"]) < numbers[f"kid.{name}"]
        assert numbers[f"coverage.{name}"] < numbers[f"coverage.{name}.floor"]
        assert numbers[f"fid.{name}.floor"] < numbers[f"fid.{name}"]
        assert numbers[f"n.{name}.unseen.persons"] == numbers[f"n.{name}.neighbours"] == 12
        assert {f"kid.{name}.untrained", f"coverage.{name}.untrained"} <= set(numbers)
    assert numbers["fidelity.ceiling"] > 0.95 and numbers["fidelity.shuffled"] == pytest.approx(0.5, abs=0.05)
    assert numbers["fidelity.over_typical"] == (numbers["fidelity.auc"] > numbers["fidelity.ceiling"])
    assert numbers["trtr.auc"] == numbers["fidelity.ceiling"] and 0 <= numbers["tstr.auc"] <= 1
    assert np.sum(numbers["discriminator.confusion"]) == numbers["unseen.slices"] == 48
    assert numbers["unseen.part"] == "test" and numbers["unseen.persons"] == 24
    assert numbers["nimg"] == load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors").nimg
    assert len(numbers["extractor.hash"]) == 12
    assert {f"seconds.{name}" for name in ("generate", "judge", "similarity", "fidelity", "copies", "umap")} <= set(
        numbers
    )

    printed = capsys.readouterr().out
    assert "KID AD" in printed and "real-real floor" in printed and "untrained" in printed
    assert "shuffled labels" in printed and "report.html" in printed


def test_a_floor_has_an_interval_and_a_sample_of_the_same_lies_in_it(monkeypatch):
    """Three samples of one distribution: 60 persons, 2 images each, and 120 images of nobody."""
    rng = np.random.default_rng(0)

    def sample(people):
        subjects = np.repeat([f"p{i}" for i in range(60)], 2) if people else np.full(120, "")
        columns = (np.zeros(120, np.int64), np.full(120, people), subjects)
        return FeatureTable(rng.normal(size=(120, 4)).astype(np.float32), *columns, ("CN",), "test")

    monkeypatch.setitem(parts.SOURCES, "judge", lambda judge, table: table)
    sets = {"": sample(False), ".floor": sample(True), ".untrained": sample(False)}
    numbers = parts._distances(SimpleNamespace(judge=None), "CN", sample(True), sets)
    assert not undocumented(numbers)
    for key in ("kid", "fid", "precision", "recall", "density", "coverage"):
        low, high = numbers[f"{key}.CN.floor.low"], numbers[f"{key}.CN.floor.high"]
        assert low < numbers[f"{key}.CN.floor"] < high
        assert f"{key}.CN.untrained.low" not in numbers
    assert numbers["kid.CN.floor.low"] < numbers["kid.CN"] < numbers["kid.CN.floor.high"]
    picture = parts._similarity_picture(
        SimpleNamespace(class_names=("CN",), judge=SimpleNamespace(name="", hash="")), numbers
    )
    assert len(picture.content.axes) == 6 and all(ax.collections for ax in picture.content.axes)


def undocumented(numbers):
    """Names that docs/analysis.md does not have, with <CLASS> where a class stands."""
    documented = (REPO / "docs" / "analysis.md").read_text()
    plain = {name.replace(".CN", ".<CLASS>").replace(".AD", ".<CLASS>") for name in numbers}
    plain = {re.sub(r"^mixing\.\d+", "mixing.<STYLES>", name) for name in plain}
    plain = {re.sub(r"^truncation\.<CLASS>\.\d\.\d", "truncation.<CLASS>.<PSI>", name) for name in plain}
    plain = {"seconds.<PART>" if name.startswith("seconds.") else name for name in plain}
    return {name for name in plain if f"`{name}`" not in documented}


def test_the_page_is_one_file_and_the_public_one_shows_no_real_slice(run, quick):
    predict(run, ["grid", "copies"])
    folder = run.run_dir / "analysis-016"
    text = (folder / "report.html").read_text()
    # real beside generated, generated, distances, closest pairs, per person
    assert text.count("data:image/png;base64,") == 5 and 'src="http' not in text and "<script" not in text
    assert predict(run, ["grid", "copies"], public=True)["page"] == "report-public.html"
    public = (folder / "report-public.html").read_text()
    assert public.count("data:image/png;base64,") == 3
    assert "closest pairs" not in public.split("<h2>Model card")[0].replace("look at the closest pairs", "")
    subjects = set(run.data.train.subjects) | set(run.data.test.subjects)
    assert not [subject for subject in subjects if subject in public]


def test_a_second_call_reads_the_parts_back(run, quick, monkeypatch):
    first = predict(run, ["grid", "similarity"])
    monkeypatch.setattr(contexts, "train_judge", lambda *_, **__: pytest.fail("computed again"))
    monkeypatch.setattr(slices_module, "generate", lambda *_, **__: pytest.fail("computed again"))
    assert predict(run, ["similarity"]) == first  # the grid is still there, too
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        predict(run, ["similarity"], samples_per_label=25)


def test_parts_have_names(run, shell, quick, capsys):
    assert shell.main(["--run", str(run.run_dir), "--samples-per-label", "20", "--parts", "grid,fidelity"]) == 0
    numbers = json.loads((run.run_dir / "analysis-016" / "metrics.json").read_text())
    assert "fidelity.auc" in numbers and not [name for name in numbers if name.startswith(("kid", "umap"))]
    assert shell.main(["--run", str(run.run_dir), "--parts", "grid,fidel"]) == 2
    assert "--parts: expected some of grid, similarity" in capsys.readouterr().err


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


def test_weights_that_are_nan_are_refused_not_drawn_black(run, quick, monkeypatch):
    G = load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors")
    with torch.no_grad():
        next(iter(G.parameters())).fill_(float("nan"))
    monkeypatch.setattr(contexts, "load_generator", lambda path: G)
    numbers = predict(run, ["grid"])
    assert "grid left out: the generator makes NaN images" in numbers["notes"][0]


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
    with pytest.raises(ValueError, match="trained on classes CN, AD, the data have AD, CN"):
        predict(run, data=replace(run.data, class_names=("AD", "CN")))


def test_without_unseen_slices_their_numbers_are_left_out_with_a_line(run, quick):
    nobody = run.data.test.subset(np.zeros(len(run.data.test), dtype=bool))
    numbers = predict(run, data=replace(run.data, validate=nobody, test=nobody))
    assert any("no test or validate part" in note for note in numbers["notes"])
    assert not [name for name in numbers if name.startswith(("kid", "coverage", "fidelity", "tstr", "discriminator."))]
    assert numbers["pictures"][:2] == ["real_vs_fake.png", "generated.png"] and numbers["failed"] == []
    assert set(numbers["pictures"][2:]) == {
        *("same_brain.png", "difference_map.png", "cn_to_ad.png", "style_mixing.png", "truncation.png"),
        "interpolation.gif",
    }


def test_a_part_without_enough_data_does_not_lose_the_others(run, quick):
    few = np.flatnonzero(run.data.test.labels == 0)[:6]  # three persons of one class
    numbers = predict(run, data=replace(run.data, test=run.data.test.subset(few)))
    assert "real_vs_fake.png" in numbers["pictures"]
    assert any("fidelity left out: AUC needs images of two classes" in note for note in numbers["notes"])
    assert any("similarity left out" in note and "more than k = 5" in note for note in numbers["notes"])
    assert "copies.share" in numbers and "fidelity.auc" not in numbers
    assert [line.split(":")[0] for line in numbers["failed"]] == ["similarity", "fidelity", "discriminator", "umap"]


def test_a_part_asked_for_by_name_is_owed(run, shell, quick, capsys):
    arguments = ["--run", str(run.run_dir), "--samples-per-label", "20", "--parts", "grid,inception"]
    assert shell.main(arguments) == 2
    assert "left out: inception: InceptionV3 has no weights here" in capsys.readouterr().err
    assert (run.run_dir / "analysis-016" / "real_vs_fake.png").is_file()


def test_unknown_persons_are_not_counted(run, quick):
    numbers = predict(run, ["similarity", "umap"], data=replace(run.data, subjects_known=False))
    assert numbers["unseen.persons"] is None and numbers["kid.CN"] > 0 and "umap.knn_purity" in numbers


def test_a_generator_that_ignores_its_label_is_at_chance(run, quick):
    """Every CN slice has an AD slice of the same pixels: the judge can know nothing of what was asked for."""
    context = run_context(run.run_dir, run.data, 16, Options(samples_per_label=24))
    images = context.fakes.images.copy()
    images[24:] = images[:24]
    context.fakes = replace(context.fakes, images=images)
    numbers, _ = parts.fidelity(context)
    assert numbers["fidelity.auc"] == pytest.approx(0.5, abs=1e-6)
    assert numbers["fidelity.accuracy"] == pytest.approx(0.5, abs=1e-6)
    assert numbers["fidelity.ceiling"] > 0.95


def test_copied_training_slices_are_called_copies(run, quick):
    context = run_context(run.run_dir, run.data, 16, Options(samples_per_label=24))
    context.fakes = replace(context.fakes, images=np.asarray(run.data.train.at(16))[:48])
    numbers, _ = parts.copies(context)
    # Discs have no axis, so a turned one is not sought: test_memorisation.py has heads.
    assert numbers["copies.share"] == numbers["copies.features.share"] == numbers["copies.found.exact"] == 1
    assert numbers["copies.floor"] < 0.2 and numbers["copies.median"] < 1e-6


def test_the_model_card_says_what_it_is_not_for(run, quick):
    predict(run, ["grid"])
    card = (run.run_dir / "analysis-016" / "model_card.md").read_text()
    assert "Not for diagnosis" in card and "48 slices of 24" in card and page.heading

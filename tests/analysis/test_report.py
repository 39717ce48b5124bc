"""A report as a whole: sections run, kept and left out, with a line for whatever is not there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import context as contexts, folder_context, make_report, plots, report, sections, slices as slices_module
from analysis.numbers import DeclarationError, Number
from progan_style import load_folder, load_generator, stage_dir

PLANE = (("plane", "coronal"), ("mm_per_pixel", "0.9"))  # of the toy's files, which have 32 pixels


def test_a_second_call_reads_the_sections_back(predict, run, quick, monkeypatch):
    first = predict(run, ["grid", "similarity"])
    monkeypatch.setattr(contexts, "train_judge", lambda *_, **__: pytest.fail("computed again"))
    monkeypatch.setattr(slices_module, "generate", lambda *_, **__: pytest.fail("computed again"))
    assert predict(run, ["similarity"]) == first  # the grid is still there, too
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        predict(run, ["similarity"], samples_per_label=25)


def test_options_of_one_section_leave_the_others_on_the_page(predict, context_of, run, quick, monkeypatch):
    """--own is for utility alone; the weights of --inception are always the same file."""
    monkeypatch.setattr(contexts, "check_inception", lambda path: None)
    predict(run, ["grid"])
    numbers = predict(run, ["styles"], own=(run.run_dir,), inception=run.run_dir / "weights.pth")
    assert "corners" in numbers and "film.frames" in numbers and numbers["notes"] == []
    plain, with_own = (context_of(run, own=own) for own in ((), (run.run_dir,)))
    assert plain.key == with_own.key and plain.keys.get("utility") != with_own.keys["utility"]


def test_weights_that_are_nan_are_refused_not_drawn_black(predict, run, quick, monkeypatch):
    G = load_generator(stage_dir(run.run_dir, 16) / "generator.safetensors")
    with torch.no_grad():
        next(iter(G.parameters())).fill_(float("nan"))
    monkeypatch.setattr(contexts, "load_generator", lambda path: G)
    numbers = predict(run, ["grid"])
    assert "grid left out: the generator makes NaN images" in numbers["notes"][0]


def test_without_held_out_slices_their_numbers_are_left_out_with_a_line(predict, run, nobody, quick):
    numbers = predict(run, data=nobody)
    assert any("no test or validate part" in note for note in numbers["notes"])
    assert not [name for name in numbers if name.startswith(("kid", "coverage", "fidelity", "tstr", "discriminator."))]
    assert numbers["pictures"][:2] == ["real_vs_fake.png", "generated.png"] and numbers["failed"] == []
    assert set(numbers["pictures"][2:]) == {
        *("slider.png", "same_brain.png", "difference_map.png", "cn_to_ad.png", "style_mixing.png", "truncation.png"),
        "interpolation.gif",
    }


def test_a_section_without_enough_data_does_not_lose_the_others(predict, run, quick):
    few = np.flatnonzero(run.data.test.labels == 0)[:6]  # three persons of one class
    numbers = predict(run, data=replace(run.data, test=run.data.test.subset(few)))
    assert "real_vs_fake.png" in numbers["pictures"]
    assert any("fidelity left out: AUC needs images of two classes" in note for note in numbers["notes"])
    assert any("left out: coverage needs more than k = 5" in note for note in numbers["notes"])
    assert "copies.share" in numbers and "kid.CN" in numbers and "fidelity.auc" not in numbers
    assert "similarity of AD left out: no held-out slice of this class" in numbers["notes"]
    assert [line.split(":")[0] for line in numbers["failed"]] == ["fidelity", "discriminator", "umap"]


def test_unknown_persons_are_not_counted(predict, run, quick):
    numbers = predict(run, ["similarity", "umap"], data=replace(run.data, subjects_known=False))
    assert numbers["held_out.persons"] is None and numbers["kid.CN"] > 0 and "umap.knn_purity" in numbers


def test_what_was_kept_of_other_code_or_of_an_earlier_version_is_named(predict, run, quick):
    predict(run, ["grid", "copies"])
    folder = run.run_dir / "analysis-016"
    kept = folder / "sections" / "copies.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"key": "another"}))
    (folder / "parts").mkdir()
    (folder / "parts" / "similarity.json").write_text("{}")
    numbers = predict(run, ["grid"])
    assert "copies.share" not in numbers
    assert numbers["notes"] == [
        "parts/ is of an earlier version and is not read (similarity); run these again",
        "copies is not shown: sections/copies.json is of other code or data. Run it again (--parts copies)",
    ]
    assert "copies.share" in predict(run, ["copies"]) and len(predict(run, ["grid"])["notes"]) == 1


def with_grid(monkeypatch, numbers, **made):
    """The section grid declares these numbers and makes those."""
    grid = replace(
        sections.load()["grid"], numbers=numbers, measure=lambda context: (made, None), answer=lambda found: ""
    )
    loaded = sections.load() | {"grid": grid}
    monkeypatch.setattr(sections, "load", lambda: loaded)


def test_an_undeclared_or_twice_declared_number_is_an_error(predict, run, quick, monkeypatch):
    with monkeypatch.context() as patch:
        with_grid(patch, (Number("grid.rows"),), **{"grid.rowz": 3})
        with pytest.raises(
            DeclarationError, match=r"grid: the number grid.rowz is not declared; did you mean grid.rows?"
        ):
            predict(run, ["grid"])
    with monkeypatch.context() as patch:
        with_grid(patch, (Number("kid.<CLASS>"),), **{"kid.CN": 3})
        with pytest.raises(DeclarationError, match=r"kid.<CLASS> is declared twice: in grid and in similarity"):
            predict(run, ["grid"])


def test_a_declared_number_that_was_not_made_is_named_with_its_reason(predict, run, quick, monkeypatch):
    with monkeypatch.context() as patch:
        with_grid(patch, (Number("grid.rows", unless="with a reason"), Number("grid.here")), **{"grid.here": 1})
        assert predict(run, ["grid"])["notes"] == ["grid: grid.rows left out with a reason"]
    with monkeypatch.context() as patch:
        with_grid(patch, (Number("grid.rows"),))
        with pytest.raises(DeclarationError, match=r"grid: grid.rows is declared and was not made"):
            predict(run, ["grid"], samples_per_label=25)  # nothing is read back


def test_a_group_of_sections_of_which_nothing_can_be_had_is_a_fault(context_of, run, quick):
    context = replace(context_of(run), generator=None, discriminator=None)
    reason = "what the disease looks like needs a generator: two folders have none"
    assert make_report(context, ["grid", "latents"])["failed"] == [f"latents: {reason}"]


def test_a_group_of_sections_is_owed_one_of_them(predict, run, quick):
    numbers = predict(run, ["latents"])
    assert numbers["failed"] == [] and any(note.startswith("ventricles left out") for note in numbers["notes"])
    assert {"difference.rms", "projection.error", "film.frames"} <= set(numbers)
    failed = predict(run, ["ventricles"])["failed"]
    assert failed == ["ventricles: the ventricles are too small to measure at 16x16"]


class Bar:
    """A progress bar that keeps what it was told."""

    def __init__(self, total, disable, **words):
        self.total, self.disable, self.done, self.names, self.closed = total, disable, 0, [], False

    def set_postfix_str(self, name):
        self.names.append(name)

    def update(self, n):
        self.done += n

    def refresh(self):
        pass

    def close(self):
        self.closed = True


def test_a_bar_goes_on_with_each_section_and_names_the_one_at_work(predict, run, quick, monkeypatch):
    bars = []
    monkeypatch.setattr(report, "tqdm", lambda **words: bars.append(Bar(**words)) or bars[-1])
    predict(run, ["grid"])
    predict(run, ["grid", "similarity"], progress=True)
    assert bars[0].disable is True and bars[1].disable is None  # None: shown on a terminal
    assert bars[1].names == ["similarity"]  # the grid is kept
    assert all(bar.done == bar.total and bar.closed for bar in bars) and bars[1].total == 2


def test_figures_lie_beside_the_page_in_the_kind_that_was_asked_for(predict, run, quick, monkeypatch):
    predict(run, ["grid"])
    folder = run.run_dir / "analysis-016"
    assert not (folder / "generated.svg").exists()
    numbers = predict(run, ["grid"], figures="svg")
    assert "psi 1, 24 generated per label" in (folder / "generated.svg").read_text()
    assert numbers["pictures"] == ["real_vs_fake.png", "generated.png"]
    with Image.open(folder / "generated.png") as large, Image.open(folder / "sections" / "generated.png") as small:
        assert large.info["dpi"] == pytest.approx((300, 300), abs=0.1) and large.width == 2 * small.width
    monkeypatch.setattr(slices_module, "generate", lambda *_, **__: pytest.fail("computed again"))
    predict(run, ["grid"], figures="png")  # the SVG that is there is no reason to draw anew


def test_facts_are_those_of_the_data(predict, run, toy_root, quick, tmp_path):
    numbers = predict(run, ["grid"])
    assert (numbers["psi"], numbers["plane"], numbers["mm_per_pixel"], numbers["weights"]) == (1.0, None, None, "last")
    assert numbers["generated.CN"] == numbers["generated.AD"] == 24 and numbers["data"] == toy_root.name
    made = load_folder(toy_root, classes=("CN", "AD"), resolution=16, cache_dir=tmp_path / "cache", progress=False)
    count = len(made.train)
    columns = {"psi": np.full(count, "0.5"), "seed": np.arange(count).astype(str)}
    fake = replace(made, train=replace(made.train, columns=columns))
    fake = replace(fake, validate=fake.train.subset([]), test=fake.train.subset([]))
    real = replace(
        run.data,
        train=replace(run.data.train, columns={name: np.full(len(run.data.train), value) for name, value in PLANE}),
    )
    context = folder_context(real, fake, 16, tmp_path / "out")
    numbers = make_report(context, ["grid"])
    assert numbers["psi"] == 0.5 and numbers["plane"] == "coronal" and numbers["mm_per_pixel"] == 1.8
    assert list(context.fakes.seeds[:3]) == [0, 1, 2] and "nimg" not in numbers and "weights" not in numbers
    card = (tmp_path / "out" / "dataset_card.md").read_text()
    assert "Coronal slices, 1.8 mm per pixel" in card and "psi 0.5" in card and "Axial" not in card
    assert not (tmp_path / "out" / "model_card.md").exists()
    columns["psi"][0] = "1"
    assert folder_context(real, fake, 16, tmp_path / "out").psi is None


def test_a_number_that_is_none_and_a_dollar_in_a_name_end_nothing(predict, run, quick, monkeypatch):
    """The section is left out with a line; the others, and names that look like formulas, are as they are."""
    with_measure(monkeypatch, lambda context: ({"kid.CN": float("nan")}, {}))
    numbers = predict(run, ["similarity", "grid"])
    assert [line for line in numbers["failed"]] == [
        "similarity: kid.CN came out as no number: are its slices all black, or all alike?"
    ]
    assert "real_vs_fake.png" in numbers["pictures"]
    with_measure(monkeypatch, lambda context: 1 / 0)
    assert predict(run, ["similarity"])["failed"] == ["similarity: division by zero"]
    figure = plots.new_figure(3, 3)
    figure.suptitle("cost$5_$ and a $ more")
    figure.add_subplot().set_xscale("log")
    assert plots.page_bytes(plots.ReportFigure("x", figure, "", "", "", False, "", "")).startswith(b"\x89PNG")


def test_a_fault_of_this_program_costs_its_section_alone_and_is_told_as_one(predict, run, quick, monkeypatch):
    """What a public page shows of it names nobody: a key may be a person."""
    lines = []
    with_measure(monkeypatch, lambda context: {"recall": 1.0}["sub-014"])
    numbers = predict(run, ["similarity", "grid"], log=lines.append)
    told = "a fault of this program (KeyError), whose traceback was printed"
    assert "corners" in numbers and numbers["failed"] == [f"similarity: {told}"]
    assert numbers["notes"] == [f"similarity left out: {told}"]
    assert any("Traceback" in line and "KeyError: 'sub-014'" in line for line in lines)


def with_measure(monkeypatch, measure):
    """The section similarity measures so."""
    found = sections.load()
    changed = found | {"similarity": replace(found["similarity"], measure=measure)}
    monkeypatch.setattr(sections, "load", lambda: changed)

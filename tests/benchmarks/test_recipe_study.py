"""The study on runs of seconds; what its rows decide, by hand."""

import json
from dataclasses import replace

import pytest

from benchmarks import recipe_study, recipes
from benchmarks.recipe_study import decide, lengths, missing, read_rows, table
from benchmarks.recipes import Arm, Question


def rows_of(**kids):
    return {
        name: [{"arm": name, "seed": s, "kid": kid} for s, kid in enumerate(values)] for name, values in kids.items()
    }


def test_a_winner_needs_more_than_twice_the_pooled_spread():
    assert decide("kid", -1, rows_of(a=[0.5, 0.6], b=[0.1, 0.2])) == "b leads a by 0.400, pooled spread 0.071: wins"
    assert "ties, a stays" in decide("kid", -1, rows_of(a=[0.5, 0.6], b=[0.4, 0.5]))
    assert decide("kid", -1, rows_of(a=[0.1, 0.2], b=[0.4, 0.5])) == "a leads b by 0.300, pooled spread 0.071: wins"
    assert decide("kid", -1, rows_of(a=[0.1, 0.2], b=[0.9, 1.0], c=[0.2, 0.3])).startswith("a leads c by 0.100, ")
    assert decide("kid", -1, rows_of(a=[0.1, 0.2], b=[0.2, 0.3])).endswith("ties, a stays")
    assert "one seed: a pilot" in decide("kid", -1, rows_of(a=[0.5], b=[0.4]))
    assert decide("kid", -1, rows_of(a=[0.5])) == "not enough rows"
    assert decide("coverage", 1, rows_of(a=[0.5], b=[0.4])) == "not enough rows"


def test_what_is_missing_comes_seed_by_seed_and_once():
    a, b, c = (Arm(name, (), name) for name in "abc")
    questions = [Question("one", (a, b)), Question("two", (a, c), seeds=(0,))]
    left = missing(questions, {("a", 0): {}})
    assert [(arm.name, seed) for arm, seed in left] == [("b", 0), ("a", 1), ("b", 1), ("c", 0)]


def test_every_arm_has_a_configuration_of_its_size():
    from progan_style import load_config

    seen = {}
    for question in recipes.QUESTIONS:
        for arm in question.arms:
            assert seen.setdefault(arm.name, arm) == arm, "two arms of one name"
            config = load_config(
                overlay=recipe_study.TOP / "configs" / f"{arm.config}.yaml",
                overrides=[*arm.settings, *lengths(arm, 1.0)],
            )
            assert config.schedule.resolutions[-1] == arm.size


def test_arms_of_one_pace_are_of_one_length(tmp_path, monkeypatch):
    taken = iter((300.0, 100.0, 200.0, 999.0))
    monkeypatch.setattr(recipe_study, "cpu_seconds", lambda arm, config: next(taken))
    arms = [recipes.recipe("logistic", gamma) for gamma in (1.0, 4.0)]
    factors = [recipe_study.budget_factor(arm, None, tmp_path, {}) for arm in arms]
    assert factors == [20 * 60 / 200.0] * 2  # the median of three, once


def test_lengths_follow_the_rows_of_another_machine(tmp_path, monkeypatch):
    """Here everything takes ten times as long as where the row was made: only the ratio of two paces counts."""
    rows = {("logistic-gamma-1", 0): {"arm": "logistic-gamma-1", "seed": 0, "kimg": 340.0}}  # twice KIMG's 170
    speeds = {"logistic-gamma-4": 6000.0, "logistic-gamma-1": 6000.0, "relativistic-gamma-1": 8000.0}
    monkeypatch.setattr(recipe_study, "cpu_seconds", lambda arm, config: speeds[arm.name])
    arms = [recipes.recipe(loss, gamma) for loss, gamma in (("logistic", 4.0), ("relativistic", 1.0))]
    assert [recipe_study.budget_factor(arm, None, tmp_path, rows) for arm in arms] == [2.0, 1.5]


def test_a_failed_run_is_a_row_and_an_arm_that_was_not_run_is_said():
    question = Question("which", (Arm("a", (), "a"), Arm("b", (), "b"), Arm("c", (), "c")))
    rows = {("a", 0): {"arm": "a", "seed": 0, "kid": 0.25}, ("b", 0): {"arm": "b", "seed": 0, "failed": "not finite"}}
    text = table([question], rows)
    assert "| a | 0 | 0.250 |" in text and "| b | 0 failed |" in text and "| c | not run |" in text


WHOLE = {"arm": "a", "seed": 0, "commit": "1a2b", "cpu": "AVX2", "precision": "fp32", "kimg": 270.0}


@pytest.mark.parametrize("lacks", ("commit", "cpu", "precision", "kimg"))
def test_a_row_that_does_not_say_what_it_was_made_with_is_refused(lacks, tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(WHOLE) + "\n" + json.dumps({k: v for k, v in WHOLE.items() if k != lacks}) + "\n")
    with pytest.raises(SystemExit) as left:
        recipe_study.main(["--table", "--rows", str(rows)])
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"kimg; no {lacks}")


def test_pieces_of_a_run_are_named_once_each():
    assert recipe_study.joined("", "a") == "a" and recipe_study.joined("a, b", "a") == "a, b"


@pytest.fixture
def tiny_study(tiny_overlay, tmp_path, monkeypatch, quick):
    """One arm of 16 px in seconds, judged on 20 persons."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "cpu.yaml").write_text(tiny_overlay.read_text())
    small = {"fade_kimg": {8: 0, 16: 0.01}, "hold_kimg": {8: 0.01, 16: 0.02}}
    arm = Arm("a", ("loss.name=hinge",), "a", size=16)
    changes = {
        "TOP": tmp_path,
        "MINUTES": {16: 0.02},
        "TIMED": 4,
        "ROUNDS": 1,
        "PERSONS": 20,
        "SLICES": 20,
    }
    for name, value in changes.items():
        monkeypatch.setattr(recipe_study, name, value)
    monkeypatch.setattr(recipes, "KIMG", {16: small})
    monkeypatch.setattr(recipes, "QUESTIONS", [Question("which", (arm,), seeds=(0,))])
    return tmp_path


def test_an_arm_is_timed_trained_judged_and_kept(tiny_study, capsys, monkeypatch):
    rows, to = tiny_study / "rows.jsonl", tiny_study / "study"
    command = ["--arm", "a", "--to", str(to), "--rows", str(rows)]
    assert recipe_study.main(command) == 0
    row = read_rows(rows)["a", 0]
    assert row["cpu_seconds"] > 0 and row["peak_mb"] > 50 and row["kimg"] > 0
    assert row["commit"] and row["cpu"] and row["precision"] in ("fp32", "bf16")
    assert {"kid", "kid.baseline", "kid.CN", "coverage.AD", "fidelity.auc", "fidelity.real", "tstr.auc"} <= row.keys()
    assert missing(recipes.QUESTIONS, read_rows(rows)) == []
    seen = []
    best = replace(recipes.QUESTIONS[0].arms[0], name="a-best", weights="best", run_of="a")
    monkeypatch.setattr(recipes, "QUESTIONS", [*recipes.QUESTIONS, Question("of its best", (best,), seeds=(0,))])
    assert missing(recipes.QUESTIONS, {}) == [(recipes.QUESTIONS[0].arms[0], 0)]  # the run comes first
    assert missing(recipes.QUESTIONS, read_rows(rows)) == [(best, 0)]
    monkeypatch.setattr(recipe_study, "measure", lambda *given: seen.append((given[0], given[3])) or {"kimg": 1.0})
    assert recipe_study.main(["--arm", "a-best", *command[2:]]) == 0
    assert seen == [(best, to / "a-s0")] and read_rows(rows)["a-best", 0]["cpu_seconds"] == row["cpu_seconds"]
    rows.unlink()
    monkeypatch.setattr(recipe_study, "measure", lambda arm, config, data, folder: {"kimg": 1.0, "kid": 0.5})
    assert recipe_study.main(command) == 0  # the run stands: it is judged again, not trained again
    again = json.loads(rows.read_text())
    assert again["cpu_seconds"] == row["cpu_seconds"] and again["kid"] == 0.5
    capsys.readouterr()
    assert recipe_study.main(["--table", "--rows", str(rows)]) == 0
    assert "**which**" in capsys.readouterr().out

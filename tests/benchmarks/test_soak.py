"""The soak tells an equal end from another one."""

import random

import pytest
import torch

from benchmarks import soak


def test_states_are_compared_to_the_bit():
    a = {"G": {"w": torch.ones(2)}, "nimg": 8, "list": [1, (2.0, None)]}
    assert not soak.differences(a, {"G": {"w": torch.ones(2)}, "nimg": 8, "list": [1, (2.0, None)]})
    other = {"G": {"w": torch.tensor([1.0, 1.0 + 1e-7])}, "nimg": 9, "list": [1, (2.5, None)]}
    assert soak.differences(a, other) == [".G.w", ".nimg", ".list.1.0"]
    assert soak.differences(a, {}) == [""]


@pytest.mark.timeout(600)
def test_a_run_that_is_killed_three_times_ends_as_one_that_was_not(toy_root, tmp_path):
    short = ["schedule.fade_kimg={8: 0, 16: 0.08}", "schedule.hold_kimg={8: 0.08, 16: 0.08}", f"data.root={toy_root}"]
    made, ended, wrong = soak.soak("stylegan1", 3, random.Random(0), tmp_path, short)
    assert made >= 3 and ended >= 1 and not wrong, wrong


def test_a_training_that_ends_badly_is_told_in_its_last_words(tmp_path):
    with pytest.raises(RuntimeError, match=r"^train\.py: .*seeed is not known; did you mean seed\?$"):
        soak.Forks(tmp_path).run(soak.words_of(tmp_path / "run", ["seeed=1"]))


def test_another_end_is_told(monkeypatch, capsys):
    monkeypatch.setattr(soak, "soak", lambda *given: (5, 2, ["stylegan1-0: .G.const"]))
    assert soak.main(["--kills", "5", "--architecture", "stylegan1"]) == 1
    assert "5 kills, 2 runs to their end: WRONG: stylegan1-0: .G.const" in capsys.readouterr().out


def test_what_rises_is_told():
    def samples(megabytes, opened=7):
        return [soak.Sample(k, k, 8 * k, mb, opened + (k > 6), 9) for k, mb in enumerate(megabytes)]

    assert soak.rises(samples([300, 302, 299, 305, 301, 300])) == []
    assert soak.rises(samples([300, 310, 320, 330, 340, 350])) == ["megabytes from 305 to 345"]
    assert soak.rises(samples([300] * 9)) == ["open_files from 7 to 8"]
    assert soak.rises(samples([300] * 2)) == ["too few samples to say whether it stays flat"]

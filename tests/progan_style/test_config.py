from pathlib import Path

import pytest

from progan_style import load_config, refuse_changes, save_config
from progan_style.config import DEFAULT_CONFIG, differences

REPO = DEFAULT_CONFIG.parent
CONFIGS = sorted((REPO / "configs").glob("*.yaml"))


@pytest.mark.parametrize("overlay", [None, *CONFIGS], ids=lambda p: p.name if p else "hyperparameters.yaml")
def test_shipped_files_load_and_read_back_equal(overlay, tmp_path):
    config = load_config(overlay=overlay)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("path", [DEFAULT_CONFIG, *CONFIGS], ids=lambda p: p.name)
def test_shipped_files_say_how_they_are_used(path):
    header = path.read_text().split("\n\n")[0]
    for word in ("Command:", "Hardware:", "Result:"):
        assert word in header


def test_overrides_reach_their_key():
    config = load_config(
        overrides=["schedule.fade_kimg.64=7", "data.classes=[CN, AD, MCI]", "threads=1", "training.log_kimg=1e-1"]
    )
    assert config.schedule.fade_kimg[64] == 7 and config.data.classes == ("CN", "AD", "MCI")
    assert config.threads == 1 and config.training.log_kimg == 0.1


def test_differences_are_named_by_key():
    a, b = load_config(), load_config(overrides=["schedule.lr_g.64=0.5", "seed=1"])
    assert differences(a, b) == ["schedule.lr_g.64", "seed"] and differences(a, a) == []


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n"])
def test_a_file_that_is_no_configuration(text, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"bad.yaml: "):
        load_config(overlay=path)
    with pytest.raises(FileNotFoundError, match="no such configuration file"):
        load_config(overlay=Path("nowhere.yaml"))


def test_what_is_shown_may_change_and_what_is_learnt_may_not():
    before = load_config()
    shown = load_config(overrides=["threads=1", "training.log_kimg=1", "data.cache=/elsewhere"])
    refuse_changes(before, shown, "run", nimg=800_000)
    # At 800,000 images 8 and 16 px are over and 32 px has begun.
    ahead = load_config(overrides=["schedule.batch_size.64=16", "schedule.lr_g.32=0.5", "schedule.hold_kimg.256=9"])
    refuse_changes(before, ahead, "run", nimg=800_000)
    with pytest.raises(ValueError, match=r"run holds .* \(different: network.w_dim, schedule.lr_g.8\); go on without"):
        refuse_changes(before, load_config(overrides=["schedule.lr_g.8=0.5", "network.w_dim=7"]), "run", 800_000)
    with pytest.raises(ValueError, match=r"different: schedule.batch_size.32"):
        refuse_changes(before, load_config(overrides=["schedule.batch_size.32=16"]), "run", 800_000)


def test_the_stage_that_was_trained_last_may_be_made_longer():
    rows = ["schedule.resolutions=[8, 16]", "schedule.hold_kimg={8: 4, 16: 4}", "schedule.fade_kimg={8: 0, 16: 4}"]
    rows += ["schedule.batch_size={8: 8, 16: 8}"]
    before = load_config(overrides=rows)  # 8 px ends at 4,000 images, 16 px at 12,000

    def changed(*settings):
        return load_config(overrides=[*rows, *settings])

    refuse_changes(before, changed("schedule.hold_kimg.16=5"), "run", nimg=12_000)
    refuse_changes(before, changed("schedule.hold_kimg.8=5"), "run", nimg=4_000)  # 16 px has not begun
    refuse_changes(before, changed("schedule.hold_kimg.16=3"), "run", nimg=11_000)  # just so
    with pytest.raises(ValueError, match=r"different: schedule.hold_kimg.16"):
        refuse_changes(before, changed("schedule.hold_kimg.16=3"), "run", nimg=11_008)
    with pytest.raises(ValueError, match=r"different: schedule.hold_kimg.8"):
        refuse_changes(before, changed("schedule.hold_kimg.8=5"), "run", nimg=4_008)
    with pytest.raises(ValueError, match=r"different: schedule.fade_kimg.16"):
        refuse_changes(before, changed("schedule.fade_kimg.16=5"), "run", nimg=12_000)


def test_the_same_file_by_another_name_is_no_change(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    monkeypatch.chdir(tmp_path)
    before = load_config(overrides=["init=toy/checkpoint.pt"])
    for root in ("./toy", str(tmp_path / "toy"), "toy/../toy"):
        refuse_changes(before, load_config(overrides=[f"init={root}/checkpoint.pt"]), "run", nimg=8)
    for other in ("toys/checkpoint.pt", "null"):
        with pytest.raises(ValueError, match=r"different: init\)"):
            refuse_changes(before, load_config(overrides=[f"init={other}"]), "run", nimg=8)
    with pytest.raises(ValueError, match=r"different: init\)"):
        refuse_changes(load_config(), load_config(overrides=["init=toy/checkpoint.pt"]), "run", nimg=8)


def test_where_the_data_lie_is_no_part_of_a_run():
    """Whether they are the same slices is told by their digest."""
    refuse_changes(load_config(overrides=["data.root=a"]), load_config(overrides=["data.root=b"]), "run", nimg=8)

"""Held-out phantoms are fresh persons; real persons stay who they are."""

import json

from analysis.held_out import with_unseen_phantoms
from progan_style import load_folder, make_phantoms


def test_phantoms_are_judged_on_persons_of_another_seed(tmp_path):
    kind = {"pattern": "frontal", "people": True, "years_older": 5.0}
    root = make_phantoms(tmp_path / "p", persons=20, slices=1, size=16, workers=1, progress=False, **kind)
    data = load_folder(root, resolution=16, cache_dir=tmp_path / "cache", progress=False)
    fresh = with_unseen_phantoms(data, 16, 12, tmp_path / "cache", workers=1)
    assert len(fresh.test) == 12 and set(fresh.test.labels) == {0, 1} and fresh.train is data.train
    assert "ventricle_ratio" in fresh.test.columns and fresh.key != data.key
    (settings,) = (tmp_path / "cache").glob("phantoms-unseen-*/phantoms.json")
    assert kind.items() <= json.loads(settings.read_text()).items()
    assert {"age", "sex"} <= set(fresh.test.columns)
    ours = {image.tobytes() for part in data.splits.values() for image in part.at(16)}
    assert not [image for image in fresh.test.at(16) if image.tobytes() in ours]


def test_persons_data_have_no_such_pool(tiny_run, tmp_path):
    assert with_unseen_phantoms(tiny_run.data, 16, 12, tmp_path) is tiny_run.data

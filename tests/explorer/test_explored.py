from dataclasses import replace

import numpy as np
import pytest

from explorer.real import Real


def test_a_run_is_opened_with_its_choices(explored, choices):
    assert (choices.run, choices.sizes, choices.class_names, choices.conditions) == ("tiny", (8, 16), ("CN", "AD"), ())


def test_a_download_has_what_the_page_shows(explored, state):
    here = replace(state, seed=3, weight=0.5)
    pair, view = explored.pair(here), explored.view(here)
    assert np.array_equal(pair.first, view.pictures[0]) and np.array_equal(pair.second, view.pictures[1])
    assert (pair.run, pair.nimg, pair.field) == ("tiny", view.nimg, None)


def test_what_takes_longer_is_done_once(explored, state, small_maps):
    assert explored.closest(16) is None and explored.prepare_closest(16) is explored.prepare_closest(16)
    assert explored.closest(16) is not None and len(explored.view(replace(state, tab="closest")).neighbours) == 4
    assert explored.known_apart(state) is None
    found = explored.measure_apart(replace(state, seed=9, psi=0.5))
    assert found == explored.known_apart(state) > 0
    assert explored.map(16, "PCA", print) is explored.map(16, "PCA", print)


def test_without_slices_the_reason_is_said(explored, state):
    explored.real = Real(None, "data/gone: no such folder")
    for ask in (lambda: explored.prepare_closest(16), lambda: explored.map(16, "PCA", print)):
        with pytest.raises(ValueError, match="the run's slices are not here: data/gone: no such folder"):
            ask()
    assert len(explored.view(state).pictures) == 2


def test_when_the_first_size_is_gone_another_is_shown(explored, run_dir):
    explored.generators._open.clear()
    (run_dir / "stage-016" / "generator.safetensors").unlink()
    assert explored.choices().sizes == (8,) and explored.first_state().size == 8
    (run_dir / "stage-008" / "generator.safetensors").unlink()
    assert explored.choices().sizes == (16,)
    with pytest.raises(ValueError, match="stage-016: the generator is gone; sizes that are left: none"):
        explored.view(explored.first_state())


def test_another_run_s_generator_is_refused(explored, state, run_dir, write_generator):
    write_generator(run_dir / "stage-016" / "generator.safetensors")
    with pytest.raises(ValueError, match="size 16 has other classes or conditions than the one this page began with"):
        explored.view(state)

import pytest

from progan_style.training.schedule import GrowthSchedule, crossed, last_phase, stage_ended, step_of_stage


def make(**changes):
    rows = (8, 16, 32)
    kwargs = {
        "resolutions": rows,
        "fade_kimg": {8: 5, 16: 1, 32: 1},
        "hold_kimg": {8: 1, 16: 1, 32: 1},
        "batch_size": {8: 64, 16: 48, 32: 32},
        "lr_g": dict.fromkeys(rows, 0.001),
        "lr_d": dict.fromkeys(rows, 0.001),
        "r1_gamma": {8: 1, 16: 2, 32: 3},
    }
    return GrowthSchedule(**kwargs | changes)


def walk(schedule):
    nimg = 0
    while nimg < schedule.total:
        phase = schedule.at(nimg)
        yield nimg, phase
        nimg += phase.batch_size
    assert nimg == schedule.total


def test_stages_end_on_whole_batches():
    schedule = make()
    starts = {nimg for nimg, _ in walk(schedule)}
    assert {s.start for s in schedule.stages} <= starts
    assert {s.start + s.fade for s in schedule.stages} <= starts


def test_the_first_stage_does_not_fade():
    assert all(p.alpha == 1.0 for _, p in walk(make()) if p.resolution == 8)


def test_alpha_rises_from_0_to_1_and_stays():
    schedule = make()
    for stage in schedule.stages[1:]:
        alphas = [p.alpha for _, p in walk(schedule) if p.resolution == stage.resolution]
        assert alphas[0] == 0.0 and alphas[-1] == 1.0 and alphas == sorted(alphas)
        assert schedule.at(stage.start + stage.fade // 2).alpha == pytest.approx(0.5, abs=0.05)


def test_everything_switches_together():
    schedule = make()
    border = schedule.stages[1].start
    before, after = schedule.at(border - 1), schedule.at(border)
    assert (before.resolution, before.batch_size, before.r1_gamma) == (8, 64, 1)
    assert (after.resolution, after.batch_size, after.r1_gamma) == (16, 48, 2)


def test_a_single_resolution_is_training_without_growth():
    schedule = make(resolutions=(32,))
    assert {p.resolution for _, p in walk(schedule)} == {32} and schedule.at(0).alpha == 1.0


def test_past_the_end_is_the_last_phase():
    schedule = make()
    assert schedule.at(schedule.total + 5).resolution == 32


def test_what_an_image_count_decides_is_what_a_walk_through_the_run_finds():
    """Of each step: its phase, its number in its stage, whether a stage ended with it, and a multiple was crossed."""
    schedule, number = make(), {}
    assert last_phase(schedule, 0) == schedule.at(0)
    for before, phase in walk(schedule):
        nimg = before + phase.batch_size
        assert last_phase(schedule, nimg) == phase
        assert step_of_stage(schedule, before) == number.get(phase.resolution, 0)
        number[phase.resolution] = number.get(phase.resolution, 0) + 1
        assert stage_ended(schedule, nimg) == (
            nimg == schedule.total or schedule.at(nimg).resolution != phase.resolution
        )
        for every in (50, 100, 700):
            assert crossed(schedule, nimg, every / 1000) == any(before < n <= nimg for n in range(every, 9000, every))
        assert not crossed(schedule, nimg, None)
    assert not crossed(schedule, 0, 0.7) and not stage_ended(schedule, 0)

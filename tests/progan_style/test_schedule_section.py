"""The rows of the schedule: which there have to be, and how a fault is told."""

import pytest

from progan_style import load_config

MESSAGES = {
    "schedule.batch_size.64=0": "schedule.batch_size.64: expected 4 or more, got 0",
    "schedule.batch_size.64=6": "schedule.batch_size.64: expected a multiple of 4 (minibatch-std groups), got 6",
    "schedule.lr_g.8=-1": "schedule.lr_g.8: expected more than 0, got -1.0",
    "schedule.resolutions=[8,24]": "schedule.resolutions: expected powers of two from 8 to 1024, got 24",
    "schedule.resolutions=[8,32]": "schedule.resolutions: each resolution must be twice the one before, got [8, 32]",
    "schedule.resolutions=[256,512]": "schedule.fade_kimg.512: the row for stage 512 is missing",
    "schedule.label_kimg=[5,5]": "schedule.label_kimg: expected two points in kimg, the second after the first",
    "schedule.label_kimg=[0,99999]": "schedule.label_kimg: expected an end within the run's 7200.32 kimg, got 99999",
}


def test_a_resolution_needs_only_its_rows():
    rows = ("fade_kimg", "hold_kimg", "batch_size", "lr_g", "lr_d", "r1_gamma")
    overrides = [f"schedule.{row}.512=8" for row in rows] + ["schedule.resolutions=[8,16,32,64,128,256,512]"]
    assert load_config(overrides=overrides).schedule.resolutions[-1] == 512


@pytest.mark.parametrize("override", MESSAGES)
def test_faults_are_named_by_key_in_one_line(override):
    with pytest.raises(ValueError) as error:
        load_config(overrides=[override])
    assert MESSAGES[override] in str(error.value) and "\n" not in str(error.value)

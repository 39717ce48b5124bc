"""What a report compares: refusals at the door, and what sections share."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.context import NotHereError, folder_context, run_context


def test_classes_of_another_data_set_are_refused(predict, run):
    with pytest.raises(ValueError, match="trained on classes CN, AD, the data have AD, CN"):
        predict(run, data=replace(run.data, class_names=("AD", "CN")))


def test_what_sections_share_is_made_once_and_timed_apart(context_of, tiny_run):
    context = context_of(tiny_run)
    calls = []
    for _ in range(2):
        assert context.shared("thing", lambda: calls.append(1) or "made") == "made"
    assert calls == [1] and set(context.seconds) == {"thing"}
    assert context.fakes is context.fakes and len(context.fakes) == 48 and set(context.seconds) == {"thing", "generate"}


def test_two_folders_have_no_networks_and_need_held_out_slices(tiny_run, nobody, tmp_path):
    context = folder_context(tiny_run.data, tiny_run.data, 16, tmp_path)
    assert context.untrained is None and not context.fakes.is_real.any()
    with pytest.raises(NotHereError, match="a discriminator is needed"):
        context.table("discriminator", "fakes")
    with pytest.raises(ValueError, match="a test or a validate part expected beside train"):
        folder_context(nobody, tiny_run.data, 16, tmp_path)


def test_without_held_out_slices_a_section_is_told(context_of, tiny_run, nobody):
    with pytest.raises(NotHereError, match="no test or validate part"):
        context_of(tiny_run, nobody).need_held_out()
    context_of(tiny_run).need_held_out()


def test_a_folder_that_is_called_dot_has_its_name_and_takes_no_full_stop_from_a_note(tiny_run, tmp_path, monkeypatch):
    here = replace(tiny_run.data, root=Path("."))
    monkeypatch.chdir(tiny_run.root)
    for to in (Path("."), Path(".."), Path("/")):
        context = folder_context(here, here, 16, to)
        context.note("2.5 mm... of /home/me/scans/a.png.")
        assert context.notes == ["2.5 mm... of a.png."]
    assert context.title == context.data_name == "slices" and "slices of slices" in context.settings
    assert " against slices, test" in context.settings
    monkeypatch.chdir(tiny_run.run_dir)
    assert run_context(".", tiny_run.data, 16).title == "tiny"
    context = folder_context(here, here, 16, tmp_path / "with spaces")
    context.note(f"not in {tmp_path / 'with spaces'}")
    assert context.notes == ["not in with spaces"]

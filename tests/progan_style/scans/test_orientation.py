"""Where the stored axes run: by the header, by the layout, by what the user states, and else not at all."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import aff2axcodes

from progan_style.scans.orientation import LAYOUTS, affine_of, known_orientation, parse_orientation, states_orientation
from progan_style.scans.volumes import BadScan, read_volume

MPRAGE = "OAS1_0001_MR1_mpr"
OASIS1 = {
    f"RAW/{MPRAGE}-1_anon.img": "ASL",
    f"PROCESSED/MPRAGE/SUBJ_111/{MPRAGE}_n4_anon_sbj_111.img": "ASL",
    f"PROCESSED/MPRAGE/T88_111/{MPRAGE}_n4_anon_111_t88_gfc.img": "LAS",
    f"PROCESSED/MPRAGE/T88_111/{MPRAGE}_n4_anon_111_t88_masked_gfc.img": "LAS",
}


@pytest.mark.parametrize("name", OASIS1)
def test_the_three_kinds_of_oasis_1_are_read_the_right_way_round(name, scan_tools, tmp_path):
    """The converters that the rule was read from say where i, j and k run. Clinica's affine of SUBJ_111 has the columns
    +y, +z, -x, as has fslorient's of RAW on brainder.org. oasis_reorient.m moves T88 only: SPM reads it as -x, +y, +z.
    """
    data, _ = scan_tools.head(8.0)
    path = scan_tools.write_analyze(tmp_path / name, data, 8.0, OASIS1[name])
    volume = read_volume(path)
    assert np.array_equal(volume.data, data.astype(np.float32)) and np.allclose(volume.affine[:3, :3], 8 * np.eye(3))
    assert volume.notes[0].endswith(f"scan of OASIS-1: stored as {OASIS1[name]}")
    assert {code for _, code, _ in LAYOUTS} == {"ASL", "LAS"}


@pytest.mark.parametrize("code", ("LAS", "RAS", "ASL", "PIR"))
def test_what_nobody_states_is_asked_for_and_then_read(code, scan_tools, tmp_path):
    data, _ = scan_tools.head(8.0)
    path = scan_tools.write_analyze(tmp_path / "scan.img", data, 8.0, code)
    with pytest.raises(
        BadScan, match=r"scan.img: its header states no orientation; state it .* --orientation, such as"
    ):
        read_volume(path)
    volume = read_volume(path, code)
    assert np.array_equal(volume.data, data.astype(np.float32))
    assert volume.notes == (f"the header states no orientation; stored as {code}, as --orientation says",)
    assert not np.array_equal(read_volume(path, "SAL").data, volume.data)


def test_a_nifti_whose_codes_are_0_states_nothing_and_one_that_states_is_believed(scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "stated.nii")
    assert not read_volume(tmp_path / "stated.nii", "SAL").notes
    assert np.array_equal(read_volume(tmp_path / "stated.nii", "SAL").data, data)
    image = nib.Nifti1Image(data, None)
    image.header.set_sform(None, 0)
    nib.save(image, tmp_path / "silent.nii")
    with pytest.raises(BadScan, match="states no orientation"):
        read_volume(tmp_path / "silent.nii")
    assert read_volume(tmp_path / "silent.nii", "LAS").data.shape == data.shape


def test_spm_by_its_origin_or_by_the_matrix_beside_it(scan_tools, tmp_path):
    """SPM99's default is LAS; a .mat beside the pair states more."""
    data, _ = scan_tools.head(8.0)
    las = np.diag([-8.0, 8, 8, 1])
    las[:3, 3] = [100, -120, -120]
    nib.save(nib.Spm99AnalyzeImage(np.flip(data, 0), las), tmp_path / "m.img")
    assert (tmp_path / "m.mat").is_file() and not read_volume(tmp_path / "m.img").notes
    assert np.array_equal(read_volume(tmp_path / "m.img").data, data)
    image = nib.Spm99AnalyzeImage(np.flip(data, 0), las)
    image.header["origin"][:3] = 12, 15, 15
    assert known_orientation(image, tmp_path / "o.img")[0] == "LAS"
    assert not states_orientation(image, tmp_path / "o.img") and states_orientation(image, tmp_path / "m.img")
    image.header["origin"][:3] = 8224  # blanks
    assert known_orientation(image, tmp_path / "o.img") == ("", "")


def test_an_affine_runs_as_its_code_says():
    for code in ("LAS", "RPI", "ASL", "PIR"):
        affine = affine_of(code, (3, 5, 7), (1.0, 2.0, 3.0))
        assert "".join(aff2axcodes(affine)) == code
        assert np.allclose(affine @ [1, 2, 3, 1], [0, 0, 0, 1])


@pytest.mark.parametrize("text", ("LA", "LLS", "LAX", "LRS", "LASS"))
def test_a_code_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=f"--orientation: expected three letters, .* got {text}"):
        parse_orientation(text)
    assert parse_orientation("ras") == "RAS" and parse_orientation("") == ""

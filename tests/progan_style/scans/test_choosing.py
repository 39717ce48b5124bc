"""Layouts of public data and of usual tools: which volumes are scans, which are left out, what is asked."""

import csv
import json
import re

import pytest

from progan_style import Cut, PrepareSettings, prepare_study
from progan_style.scans.choosing import Wanted, kind_of, leave_out
from progan_style.scans.finding import Scan
from progan_style.scans.plan import make_plan

OASIS = "OAS1_0001_MR1/"
T88 = OASIS + "PROCESSED/MPRAGE/T88_111/OAS1_0001_MR1_mpr_n4_anon_111_t88_"
SUBJ = OASIS + "PROCESSED/MPRAGE/SUBJ_111/OAS1_0001_MR1_mpr_n4_anon_sbj_111.img"
BIDS = "sub-01/ses-M00/anat/sub-01_ses-M00_"
# files of one session -> what is cut, why each other is not
LAYOUTS = {
    "FreeSurfer": (
        ("p1/mri/T1.mgz", "p1/mri/aseg.mgz", "p1/mri/orig.mgz", "p1/mri/orig/001.mgz", "p1/mri/brainmask.mgz"),
        ["p1/mri/T1.mgz"],
        {"p1/mri/aseg.mgz": "of FreeSurfer, beside p1/mri/T1.mgz"},
    ),
    "dcm2niix": (
        ("p1/t1_mprage.nii.gz", "p1/t1_mprage_Eq_1.nii.gz", "p1/t1_mprage_ROI1.nii.gz", "p1/localizer.nii.gz"),
        ["p1/t1_mprage.nii.gz"],
        {"p1/t1_mprage_Eq_1.nii.gz": "a copy that dcm2niix makes", "p1/localizer.nii.gz": "a localizer"},
    ),
    "ADNI": (
        ("011_S_0002/MP-RAGE/2005-08-26_10_30_00.0/I7/a.nii", "011_S_0002/Sagittal_3D_FLAIR/2005-08-26_10/I8/b.nii"),
        ["011_S_0002/MP-RAGE/2005-08-26_10_30_00.0/I7/a.nii"],
        {"011_S_0002/Sagittal_3D_FLAIR/2005-08-26_10/I8/b.nii": "FLAIR; T1-weighted scans are used"},
    ),
    "BIDS": (
        (BIDS + "T1w.nii.gz", BIDS + "FLAIR.nii.gz", BIDS + "inv-1_MP2RAGE.nii.gz", "derivatives/f/sub-01_T1w.nii.gz"),
        [BIDS + "T1w.nii.gz"],
        {
            "derivatives/f/sub-01_T1w.nii.gz": "in derivatives/, beside the scans",
            BIDS + "FLAIR.nii.gz": "no *_T1w",
        },
    ),
    "FSL": (
        ("p1/T1.nii.gz", "p1/T1_bet.nii.gz", "p1/T1_brain.nii.gz", "p1/T1_brain_seg.nii.gz", "p1/T1_pve_0.nii.gz"),
        ["p1/T1.nii.gz"],
        {"p1/T1_bet.nii.gz": "made from p1/T1.nii.gz", "p1/T1_brain_seg.nii.gz": "a segmentation"},
    ),
    "fsl_anat": (
        ("p1.anat/T1.nii.gz", "p1.anat/T1_orig.nii.gz", "p1.anat/T1_fast_seg.nii.gz", "p1.anat/T1_to_MNI_lin.nii.gz"),
        ["p1.anat/T1.nii.gz"],
        {"p1.anat/T1_orig.nii.gz": "made from p1.anat/T1.nii.gz", "p1.anat/T1_fast_seg.nii.gz": "a segmentation"},
    ),
    "FreeSurfer's own": (
        ("p1/mri/T1.mgz", "fsaverage/mri/T1.mgz", "p1/surf/lh.thickness.mgh"),
        ["p1/mri/T1.mgz"],
        {"fsaverage/mri/T1.mgz": "of FreeSurfer's template", "p1/surf/lh.thickness.mgh": "a map over a surface"},
    ),
    "XA30": (
        ("p1/t1_mprage_sag.nii.gz", "p1/t1_mprage_sag_ND.nii.gz"),
        ["p1/t1_mprage_sag.nii.gz"],
        {"p1/t1_mprage_sag_ND.nii.gz": "made from p1/t1_mprage_sag.nii.gz"},
    ),
    "all of a visit": (
        ("p1/T1.nii", "p1/ADC.nii", "p1/ep2d_diff_TRACEW.nii", "p1/pcasl.nii", "p1/gre_field_mapping.nii", "p1/T2.nii"),
        ["p1/T1.nii"],
        {"p1/ADC.nii": "diffusion; ", "p1/pcasl.nii": "perfusion; ", "p1/gre_field_mapping.nii": "a field map; "},
    ),
    "a brain alone": (("p1/T1_brain.nii.gz",), ["p1/T1_brain.nii.gz"], {}),
    "no T1 at all": (("p1/FLAIR.nii.gz",), ["p1/FLAIR.nii.gz"], {}),
}


def touched(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_scan_of_a_session_is_cut_and_the_others_have_their_reasons(layout, tmp_path):
    files, used, reasons = LAYOUTS[layout]
    plan = make_plan(touched(tmp_path, *files))
    assert [scan.path for scan in plan.scans] == used and len(plan.left) == len(files) - len(used)
    assert {path: why for path, why in plan.left if path in reasons}.keys() == reasons.keys()
    assert all(why.startswith(reasons[path]) for path, why in plan.left if path in reasons), plan.left
    assert not plan.left or f"{len(plan.left)} other volumes are left out: " in plan.lines[0]


def test_several_scans_of_a_session_are_a_question_whose_commands_answer_it(tmp_path):
    """The OASIS-1 disc: RAW, SUBJ_111 and T88_111 of each session; the tissue segmentation is none."""
    raw = [f"{OASIS}RAW/OAS1_0001_MR1_mpr-{k}_anon.img" for k in (1, 2)]
    seg = OASIS + "FSL_SEG/OAS1_0001_MR1_mpr_n4_anon_111_t88_masked_gfc_fseg.img"
    touched(tmp_path, *raw, SUBJ, f"{T88}gfc.img", f"{T88}masked_gfc.img", seg)
    with pytest.raises(
        ValueError, match=r"^1 sessions have several scans; the first, OAS1_0001 MR1, has .*RAW"
    ) as told:
        make_plan(tmp_path)
    assert "\n" not in str(told.value) and str(told.value).endswith("or --include '*' for all")
    patterns = str(told.value).split("--include '")[1:]
    for pattern in [text.partition("'")[0] for text in patterns[:2]]:
        plan = make_plan(tmp_path, PrepareSettings(include=(pattern,)))
        assert len(plan.scans) == 1 and len(plan.left) == 5, pattern
    assert len(make_plan(tmp_path, PrepareSettings(include=("*",))).scans) == 6
    assert len(make_plan(tmp_path, PrepareSettings(include=("*masked_gfc.img",))).scans) == 1
    only = PrepareSettings(exclude=("*RAW*", "*t88*"))
    assert [scan.path for scan in make_plan(tmp_path, only).scans] == [SUBJ]


def test_scans_of_other_visits_and_scans_named_by_the_sheet_are_no_question(tmp_path):
    names = ("011_S_0002/MPRAGE/2005-08-26_10/I7/a.nii", "011_S_0002/MPRAGE/2006-08-26_10/I9/b.nii")
    assert len(make_plan(touched(tmp_path / "in", *names)).scans) == 2
    touched(tmp_path / "other", "p1/a.nii", "p1/b.nii")
    (tmp_path / "l.csv").write_text("path,subject,group\np1/a.nii,p1,AD\np1/b.nii,p1,AD\n")
    assert len(make_plan(tmp_path / "other", PrepareSettings(labels=tmp_path / "l.csv")).scans) == 2
    (tmp_path / "l.csv").write_text("subject,group\np1,AD\n")
    with pytest.raises(ValueError, match=r"p1, has p1/a.nii, p1/b.nii; expected one .* --include '\*a.nii' or"):
        make_plan(tmp_path / "other", PrepareSettings(labels=tmp_path / "l.csv"))


def test_scans_of_nobody_whose_names_go_on_each_other_are_one_person_s(tmp_path):
    """T1 and T1_later in one folder would be two guessed persons, one of them in train and one in test perhaps."""
    with pytest.raises(ValueError, match=r"the first, p1, has p1/T1.nii.gz, p1/T1_later.nii.gz; expected one per"):
        make_plan(touched(tmp_path, "p1/T1.nii.gz", "p1/T1_later.nii.gz", "p2/T1.nii.gz"))
    assert len(make_plan(tmp_path, PrepareSettings(exclude=("*_later*",))).scans) == 2


def test_sessions_of_persons_whose_names_differ_in_separators_are_two(tmp_path):
    names = ("1_1/ses-1/T1.nii.gz", "11/ses-1/T1.nii.gz")
    plan = make_plan(touched(tmp_path, *names), PrepareSettings(names="{subject}/ses-{session}/*"))
    assert [who.person.subject for who in plan.matches] == ["11", "1_1"]


def test_a_label_map_beside_a_scan_is_known_by_its_values(scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    scan_tools.write_nifti(tmp_path / "sub-01" / "t.nii.gz", data, affine)
    scan_tools.write_nifti(tmp_path / "sub-01" / "tissue.nii.gz", (data > 30).astype("int16") + (data > 600), affine)
    plan = make_plan(tmp_path)
    assert [scan.path for scan in plan.scans] == ["sub-01/t.nii.gz"]
    assert plan.left == [("sub-01/tissue.nii.gz", "a label map, by its values")]
    assert len(make_plan(tmp_path, PrepareSettings(include=("*",))).scans) == 2


def test_a_folder_that_tells_scans_apart_is_the_pattern(tmp_path):
    names = ("2005-08-26_10/I7128/a.nii", "2005-08-26_10/I7129/b.nii")
    touched(tmp_path, *(f"011_S_0002/{kind}/{n}" for kind, n in zip(("MP-RAGE", "MP-RAGE_REPEAT"), names, strict=True)))
    with pytest.raises(ValueError, match=r"--include '\*/MP-RAGE/\*' or --include '\*/MP-RAGE_REPEAT/\*'") as told:
        make_plan(tmp_path)
    assert "011_S_0002 2005-08-26, has" in str(told.value)


def test_fmriprep_native_and_mni_are_a_question(tmp_path):
    names = ("anat/sub-01_desc-preproc_T1w.nii.gz", "anat/sub-01_space-MNI152_desc-preproc_T1w.nii.gz")
    mni = "*sub-*_space-MNI152_desc-preproc_T1w.nii.gz"
    with pytest.raises(ValueError, match=re.escape(f"choose with --exclude '{mni}' or --include '{mni}', or ")):
        make_plan(touched(tmp_path, *names))
    assert [s.path for s in make_plan(tmp_path, PrepareSettings(exclude=(mni,))).scans] == [names[0]]
    assert [s.path for s in make_plan(tmp_path, PrepareSettings(include=(mni,))).scans] == [names[1]]


def test_a_sidecar_and_a_header_say_what_a_nameless_volume_is(scan_tools, tmp_path):
    touched(tmp_path, "p1/3.nii.gz", "p1/4.nii.gz")
    for number, text in (("3", "Sag T1 MPRAGE"), ("4", "Ax FLAIR")):
        (tmp_path / "p1" / f"{number}.json").write_text(json.dumps({"SeriesDescription": text}))
    scan_tools.write_dicom(tmp_path / "p1" / "5", *scan_tools.head(12.0), SeriesDescription="AX DWI b1000")
    scans = [Scan("p1/3.nii.gz"), Scan("p1/4.nii.gz"), Scan("p1/5", series=True)]
    assert [why.partition(";")[0] for why in leave_out(scans, tmp_path, Wanted())] == ["", "FLAIR", "diffusion"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("x/T1_FLAIR/a.nii", "T1"),
        ("T1/x/t2_tse.nii", "T2-weighted"),
        ("p/mp2rage_INV1.nii", "an inversion image"),
        ("p/MP-RAGE_REPEAT.nii", "T1"),
        ("PD/p01/scan_T1.nii", "T1"),
        ("p/ADC_map.nii", "diffusion"),
        ("p/scan.nii", ""),
    ],
)
def test_the_last_part_that_says_something_tells_the_kind(path, kind):
    assert kind_of(Scan(path), "") == kind


def test_what_was_left_out_stands_in_scans_csv_and_masks_are_used(scan_tools, tmp_path):
    data, affine = scan_tools.head(8.0)
    _, _, mask = scan_tools.bare_brain(8.0)
    for name in ("p1/T1.nii.gz", "p1/T1_bet.nii.gz", "p2/T1.nii.gz", "p2/flair.nii.gz"):
        scan_tools.write_nifti(tmp_path / "in" / name, data, affine)
    for name in ("p1/T1_bet_mask.nii.gz", "p2/T1_brain_mask.nii.gz"):
        scan_tools.write_nifti(tmp_path / "in" / name, mask.astype("uint8"), affine)
    cut = Cut(slices=3, spacing=10.0, size=32)
    done = prepare_study(tmp_path / "in", tmp_path / "out", cut=cut, workers=1, progress=False)
    assert {row["middle"] for row in done.rows} == {"mask"} and len(done.rows) == 6
    rows = {r["source"]: r for r in csv.DictReader((tmp_path / "out" / "scans.csv").read_text().splitlines())}
    assert rows["p1/T1_bet.nii.gz"]["state"] == "left out"
    assert rows["p1/T1_bet.nii.gz"]["remark"] == "made from p1/T1.nii.gz"
    assert rows["p2/flair.nii.gz"]["remark"].startswith("FLAIR")
    assert "other volumes are left out: made from another (1), FLAIR" in (tmp_path / "out" / "DATASET.md").read_text()

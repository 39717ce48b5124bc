"""Layouts of public data and of usual tools, made small: the table in docs/prepare.md is what comes of each."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from data_tools import write_repeats
from scan_tools import head, write_analyze, write_dicom, write_nifti

from progan_style import Cut, PrepareSettings, prepare_slices, prepare_study
from progan_style.scans.plan import make_plan
from progan_style.scans.slices import open_slices

PAGE = Path(__file__).parents[3] / "docs" / "prepare.md"
DATA, AFFINE = head(8.0)
LABELS = (DATA > 30).astype(np.int16) + (DATA > 600)


def nifti(root, *names):
    for name in names:
        write_nifti(root / name, LABELS if "seg" in name else DATA, AFFINE)


def sheet(root, text):
    (root.parent / "sheet.csv").write_text(text)


def oasis_1(root):
    """The disc: scans, their mean, both in Talairach space, and a segmentation."""
    for person in ("OAS1_0001_MR1", "OAS1_0002_MR1"):
        for k in (1, 2, 3):
            write_analyze(root / person / "RAW" / f"{person}_mpr-{k}_anon.img", DATA, 8.0, "ASL")
        mprage = root / person / "PROCESSED" / "MPRAGE"
        write_analyze(mprage / "SUBJ_111" / f"{person}_mpr_n4_anon_sbj_111.img", DATA, 8.0, "ASL")
        for kind in ("gfc", "masked_gfc"):
            write_analyze(mprage / "T88_111" / f"{person}_mpr_n4_anon_111_t88_{kind}.img", DATA, 8.0, "LAS")
        write_analyze(
            root / person / "FSL_SEG" / f"{person}_mpr_n4_anon_111_t88_masked_gfc_fseg.img", LABELS, 8.0, "LAS"
        )
    sheet(root, "ID,M/F,Hand,Age,CDR,Delay\nOAS1_0001_MR1,F,R,74,0,N/A\nOAS1_0002_MR1,F,R,55,0.5,N/A\n")


def oasis_2(root):
    for name in ("OAS2_0001_MR1", "OAS2_0001_MR2", "OAS2_0002_MR1"):
        for k in (1, 2):
            (root / name / "RAW").mkdir(parents=True, exist_ok=True)
            write_nifti(root / name / "RAW" / f"mpr-{k}.nifti.img", DATA, AFFINE)
    rows = (
        "OAS2_0001,OAS2_0001_MR1,Nondemented,1",
        "OAS2_0001,OAS2_0001_MR2,Nondemented,2",
        "OAS2_0002,OAS2_0002_MR1,Demented,1",
    )
    sheet(root, "\n".join(("Subject ID,MRI ID,Group,Visit", *rows)) + "\n")


def oasis_3(root):
    for person, day in (("OAS30001", "d0129"), ("OAS30002", "d0371")):
        for folder, kind in (("anat2", "T1w"), ("anat3", "T2w"), ("func1", "task-rest_bold")):
            nifti(root, f"{person}_MR_{day}/{folder}/sub-{person}_ses-{day}_{kind}.nii.gz")
    sheet(root, "OASISID,days_to_visit,CDRTOT\nOAS30001,120,0\nOAS30001,900,0.5\nOAS30002,400,1\n")


ADNI_SHEET = (
    "Image Data ID,Subject,Group,Visit,Acq Date\nI{},002_S_0295,CN,bl,4/18/2006\nI{},002_S_0413,AD,bl,5/2/2006\n"
)


def adni(root, dicom):
    for person, day, image in (("002_S_0295", "2006-04-18", 1001), ("002_S_0413", "2006-05-02", 2001)):
        for k, kind in enumerate(("MP-RAGE", "Field_Mapping", "Axial_T2-FLAIR")):
            folder = f"{person}/{kind}/{day}_08_20_30.0/I{image + k}"
            if dicom:
                write_dicom(root / folder, DATA, AFFINE, PatientName=person, SeriesInstanceUID=f"1.{image + k}")
            else:
                nifti(root, f"{folder}/ADNI_{person}_MR_{kind}_br_raw_I{image + k}.nii")
    sheet(root, ADNI_SHEET.format(1001, 2001))


def bids(root, sessions):
    for person in ("01", "02"):
        for session in sessions:
            name = "_".join(filter(None, (f"sub-{person}", session)))
            folder = "/".join(filter(None, (f"sub-{person}", session, "anat")))
            nifti(root, f"{folder}/{name}_T1w.nii.gz", f"{folder}/{name}_FLAIR.nii.gz")
            made = f"derivatives/fmriprep/{folder}/{name}"
            nifti(
                root,
                f"{made}_desc-preproc_T1w.nii.gz",
                f"{made}_space-MNI152_desc-preproc_T1w.nii.gz",
                f"{made}_dseg.nii.gz",
            )
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tCN\nsub-02\tAD\n")


def freesurfer(root):
    for person in ("p01", "p02", "fsaverage"):
        for name in ("T1", "orig", "aseg", "brainmask", "norm"):
            path = root / person / "mri" / f"{name}.mgz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.MGHImage(DATA, AFFINE.astype(np.float32)), path)
    sheet(root, "subject,group\np01,CN\np02,AD\n")


def dcm2niix(root):
    for person in ("p01", "p02"):
        names = ("3_t1_mprage", "3_t1_mprage_Eq_1", "3_t1_mprage_ROI1", "1_localizer", "4_t2_flair", "5_ep2d_diff_ADC")
        nifti(root, *(f"{person}/{name}.nii.gz" for name in names))
    sheet(root, "subject,group\np01,CN\np02,AD\n")


def flat_dicom(root):
    """Three series of two patients in one folder, the files of all of them mixed."""
    series = (("1", "localizer", "Roe"), ("2", "T1 MPRAGE", "Roe"), ("3", "T1 MPRAGE", "Doe"))
    for uid, text, patient in series:
        made = write_dicom(root / uid, DATA, AFFINE, SeriesInstanceUID=uid, SeriesDescription=text, PatientName=patient)
        for path in made.iterdir():
            path.rename(root / f"{path.stem}-{uid}.dcm")
        made.rmdir()


def uq(root):
    for split, start in (("train", 100000), ("test", 200000)):
        write_repeats(root / split, lambda p, start=start: (f"{('AD', 'NC')[p % 2]}/{start + p}_{{k}}.jpeg",))


def kaggle_oasis(root):
    groups = ("Non Demented", "Very mild Dementia", "Mild Dementia")
    write_repeats(root, lambda p: [f"{groups[p % 3]}/OAS1_{p:04d}_MR1_mpr-{k}_{{k}}.jpg" for k in (1, 2)], 30)


def kaggle_4(root):
    groups = ("NonDemented", "VeryMildDemented", "MildDemented", "ModerateDemented")
    write_repeats(root, lambda p: (f"{groups[p % 4]}/{groups[p % 4].lower()}{p}{{k}}.jpg",))


# row of the table -> how it is made, what is given besides SOURCE and --to
SHEET = {"labels": "sheet.csv"}
LAYOUTS = {
    "OASIS-1, all of a disc": (oasis_1, SHEET),
    "OASIS-1, RAW": (oasis_1, SHEET | {"include": ("*mpr-1*",)}),
    "OASIS-1, SUBJ_111": (oasis_1, SHEET | {"include": ("*sbj_111*",)}),
    "OASIS-1, T88_111": (oasis_1, SHEET | {"include": ("*t88_masked_gfc.img",)}),
    "OASIS-2": (oasis_2, SHEET | {"include": ("*mpr-1*",)}),
    "OASIS-3, BIDS": (oasis_3, SHEET | {"nearest_visit": 90}),
    "ADNI, DICOM": (lambda root: adni(root, True), SHEET),
    "ADNI, NIfTI": (lambda root: adni(root, False), SHEET),
    "BIDS": (lambda root: bids(root, ("",)), {}),
    "BIDS with sessions": (lambda root: bids(root, ("ses-M00", "ses-M12")), {}),
    "FreeSurfer subjects": (freesurfer, SHEET),
    "dcm2niix": (dcm2niix, SHEET),
    "flat DICOM, three series": (flat_dicom, {}),
    "UQ AD_NC": (uq, {}),
    "Kaggle OASIS": (kaggle_oasis, {}),
    "Kaggle 4-class": (kaggle_4, {}),
}
OF_SLICES = ("UQ AD_NC", "Kaggle OASIS", "Kaggle 4-class")


def options(settings):
    names = {"labels": "--labels", "include": "--include", "nearest_visit": "--nearest-visit"}
    words = []
    for name, value in settings.items():
        given = f"'{value[0]}'" if name == "include" else "SHEET" if name == "labels" else value
        words.append(f"`{names[name]} {given}`")
    return " ".join(words)


def outcome(layout, root):
    """The cells of a layout's row, by preparing it."""
    make, settings = LAYOUTS[layout]
    make(root / "in")
    given = settings | ({"labels": root / "sheet.csv"} if "labels" in settings else {})
    try:
        if layout in OF_SLICES:
            _, rows, _ = prepare_slices(root / "in", root / "out", PrepareSettings(**given))
            used, left = f"{len(rows)} slices", "0"
        else:
            cut = Cut(slices=2, spacing=10.0, size=32)
            done = prepare_study(
                root / "in", root / "out", PrepareSettings(**given), cut=cut, workers=1, progress=False
            )
            assert not done.failed and not done.doubtful
            rows, used = done.rows, str(len({row["scan"] for row in done.rows}))
            left = str(len(make_plan(root / "in", PrepareSettings(**given)).left))
    except ValueError as error:
        refused = {"several scans": "asked which", "persons unknown": "refused"}
        why = next(words for words in refused if words in str(error))
        classes = ", ".join(open_slices(root / "in").class_names) if layout in OF_SLICES else ""
        return [options(settings), classes, "unknown" if classes else "", refused[why], ""]
    stated = {row["subject"] for row in rows if row.get("subject")}
    guessed = {row["guessed_subject"] for row in rows if row.get("guessed_subject")}
    persons = " and ".join([f"{len(stated)}"] * bool(stated) + [f"{len(guessed)} guessed"] * bool(guessed))
    return [options(settings), ", ".join(sorted({row["label"] for row in rows})), persons, used, left]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_table_says_what_comes_of_a_layout(layout, tmp_path):
    found = outcome(layout, tmp_path)
    line = f"| {layout} | {' | '.join(found)} |"
    assert line in PAGE.read_text().splitlines(), line

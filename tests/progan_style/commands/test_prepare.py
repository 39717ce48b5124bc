"""prepare.py as a user calls it: scans in, a data folder that train.py reads out; what it refuses and what it lists."""

import errno
import os
import resource

import numpy as np
import pytest
from data_tools import write_noise
from PIL import Image
from shell_tools import manifest_rows, refused

CUT = ("--slices", 3, "--spacing", 10, "--size", 32, "--workers", 1)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def study(scan_tools, tmp_path_factory):
    """8 persons of 2 sessions as NIfTI and as DICOM, stored in different axis orders, and a sheet."""
    root = tmp_path_factory.mktemp("study")
    lines = ["participant,diagnosis,sex,age,site"]
    for person in range(8):
        for visit in ("M00", "M12"):
            data, affine = scan_tools.head(6.0, seed=person)
            stored = scan_tools.stored_as(data, affine, scan_tools.ALL_ORDERS[5 * person])
            name = f"sub-{person:02d}_ses-{visit}"
            scan_tools.write_nifti(root / "nifti" / f"sub-{person:02d}" / f"{name}_T1w.nii.gz", *stored)
            scan_tools.write_dicom(root / "dicom" / name, *stored)
        lines.append(
            f"sub-{person:02d},{('Normal', 'Dementia')[person % 2]},{'MF'[person // 2 % 2]},{60 + person},x{person}"
        )
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def prepared(study, call_shell, tmp_path_factory):
    """The study, prepared from both forms."""
    to = tmp_path_factory.mktemp("prepared")
    done = {}
    for form in ("nifti", "dicom"):
        done[form] = call_shell("prepare.py", study / form, "--labels", study / "labels.csv", "--to", to / form, *CUT)
        assert done[form].returncode == 0, done[form].stderr
    return to, done


def test_nifti_and_dicom_give_the_same_slices(prepared):
    to, _ = prepared
    ours, theirs = manifest_rows(to / "nifti"), manifest_rows(to / "dicom")
    assert ours == theirs and len(ours) == 8 * 2 * 3
    for row in ours:
        first, second = (np.asarray(Image.open(to / form / row["path"])).astype(int) for form in ("nifti", "dicom"))
        assert first.shape == (32, 32) and np.abs(first - second).max() <= 1


def test_the_manifest_carries_everything_and_no_person_parts(prepared):
    to, done = prepared
    rows = manifest_rows(to / "nifti")
    assert list(rows[0])[:6] == ["path", "label", "subject", "split", "session", "scan"]
    assert {"plane", "slice_mm", "mm_per_pixel", "low", "high", "middle", "age", "sex", "site"} <= set(rows[0])
    splits = {
        subject: {row["split"] for row in rows if row["subject"] == subject} for subject in {r["subject"] for r in rows}
    }
    assert len(splits) == 8 and all(len(of) == 1 for of in splits.values())
    assert {(row["split"], row["label"]) for row in rows} == {
        (split, label) for split in ("train", "validate", "test") for label in ("AD", "CN")
    }
    assert {row["session"] for row in rows} == {"M00", "M12"} and {row["slice_mm"] for row in rows} == {
        "-10",
        "0",
        "10",
    }
    assert "Normal -> CN (4)" in done["nifti"].stdout and "Dementia -> AD (4)" in done["nifti"].stdout
    for name in ("DATASET.md", "scans.csv", "sheets/AD.png", "sheets/CN.png"):
        assert (to / "nifti" / name).stat().st_size > 0
    assert not list((to / "nifti").glob(".*"))


def test_the_same_seed_gives_the_same_folder(study, prepared, call_shell, tmp_path):
    to, _ = prepared
    arguments = ("prepare.py", study / "nifti", "--labels", study / "labels.csv", *CUT)
    assert call_shell(*arguments, "--to", tmp_path / "same").returncode == 0
    assert call_shell(*arguments, "--to", tmp_path / "other", "--seed", 4).returncode == 0
    assert everything(tmp_path / "same") == everything(to / "nifti")
    for row in manifest_rows(tmp_path / "same"):
        assert (tmp_path / "same" / row["path"]).read_bytes() == (to / "nifti" / row["path"]).read_bytes()
    assert manifest_rows(tmp_path / "other") != manifest_rows(tmp_path / "same")


def test_train_reads_it_with_persons(prepared, call_shell, tiny_overlay, tmp_path):
    to, _ = prepared
    run = ("--until", 16, "--run", tmp_path / "run")
    done = call_shell("train.py", "--config", tiny_overlay, "--data", to / "nifti", *run)
    assert done.returncode == 0, done.stderr
    assert "8 persons: column subject of manifest.csv" in done.stdout and "not used" not in done.stdout
    assert "stage 16 is finished" in done.stdout


def test_the_audit_of_it_passes(prepared, call_shell, tmp_path):
    """Heads of ellipsoids are one person to the pixels; what is said of persons raises the threshold."""
    to, _ = prepared
    done = call_shell("prepare.py", "--audit", to / "nifti", "--to", tmp_path / "audit")
    assert "8 persons" in done.stdout and "CROSSING  1 persons" not in done.stdout and "balance   age" in done.stdout
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {"audit.json", "audit.html"}


def test_patient_names_are_nowhere(study, prepared, call_shell, tmp_path):
    """The header says Doe^Jane, and here the folder and the sheet as well."""
    to, _ = prepared
    named = tmp_path / "scans"
    for number, form in enumerate(sorted((study / "dicom").iterdir())[:2]):
        (named / f"DOE_JANE_{number}").mkdir(parents=True)
        for path in form.iterdir():
            (named / f"DOE_JANE_{number}" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "labels.csv").write_text(
        "path,subject,group,note\nDOE_JANE_0,Jane Doe,AD,jane is ill\nDOE_JANE_1,x1,CN,\n"
    )
    done = call_shell("prepare.py", named, "--labels", tmp_path / "labels.csv", "--to", tmp_path / "made", *CUT)
    assert done.returncode == 0, done.stderr
    assert {row["subject"] for row in manifest_rows(tmp_path / "made")} == {"p0001", "x1"}
    for folder in (tmp_path / "made", to / "dicom"):
        for path in folder.rglob("*"):
            assert "doe" not in path.name.lower() and "jane" not in path.name.lower()
            if path.suffix in (".csv", ".md"):
                assert not {"doe", "jane", "4711"} & set(path.read_text().lower().replace("_", " ").split()), path
                assert "doe" not in path.read_text().lower()


def test_the_name_of_the_source_is_no_way_out_for_a_patients_name(study, call_shell, tmp_path):
    source = tmp_path / "Doe_Jane"
    source.mkdir()
    for path in sorted((study / "dicom").iterdir())[0].iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    assert call_shell("prepare.py", source, "--to", tmp_path / "made", *CUT).returncode == 0
    for path in (tmp_path / "made").rglob("*"):
        assert "doe" not in path.name.lower()
        assert path.suffix not in (".csv", ".md") or "doe" not in path.read_text().lower(), path


def test_nothing_is_written_outside(scan_tools, call_shell, tmp_path):
    """Whatever subject and session say."""
    data, affine = scan_tools.head(6.0)
    names = ("../../up", "/absolute", "a/b", "..")
    lines = ["path,subject,session,group"]
    for number, name in enumerate(names):
        scan_tools.write_nifti(tmp_path / "in" / f"{number}.nii", data, affine)
        lines.append(f"{number}.nii,{name},{name},AD")
    (tmp_path / "in" / "labels.csv").write_text("\n".join(lines))
    before = everything(tmp_path)
    arguments = ("--labels", tmp_path / "in" / "labels.csv", "--to", tmp_path / "out")
    done = call_shell("prepare.py", tmp_path / "in", *arguments, *CUT)
    assert done.returncode == 0, done.stderr
    assert [path for path in everything(tmp_path) if not path.startswith("out")] == before
    rows = manifest_rows(tmp_path / "out")
    assert len({row["subject"] for row in rows}) == 4 and all(".." not in row["path"] for row in rows)


def test_one_bad_scan_does_not_stop_the_others(study, call_shell, tmp_path):
    for path in (study / "nifti").rglob("*.nii.gz"):
        (tmp_path / "in" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "in" / "sub-03_ses-M00_T1w.nii.gz"
    broken.write_bytes(broken.read_bytes()[:3000])
    arguments = ("prepare.py", tmp_path / "in", "--labels", study / "labels.csv", *CUT)
    done = call_shell(*arguments, "--to", tmp_path / "out")
    assert done.returncode == 1 and len(manifest_rows(tmp_path / "out")) == 15 * 3
    assert done.stderr.startswith("FAILED    sub-03_ses-M00_T1w.nii.gz: cannot be read")
    assert "failed" in (tmp_path / "out" / "scans.csv").read_text()
    refused(call_shell(*arguments, "--to", tmp_path / "strict", "--strict"), "(--strict: nothing was written)")
    assert not (tmp_path / "strict").exists()
    for path in (tmp_path / "in").iterdir():
        path.write_bytes(b"no scan")
    refused(call_shell(*arguments, "--to", tmp_path / "none"), "none of the 16 scans can be used; the first")
    assert not (tmp_path / "none").exists()


def test_rows_without_scans_and_scans_without_rows_are_listed(study, call_shell, tmp_path):
    lines = (study / "labels.csv").read_text().splitlines()
    (tmp_path / "labels.csv").write_text("\n".join([*lines[:-1], "sub-99,AD,M,70,x"]) + "\n")
    arguments = ("--labels", tmp_path / "labels.csv", "--to", tmp_path / "out")
    done = call_shell("prepare.py", study / "nifti", *arguments, *CUT)
    assert done.returncode == 0, done.stderr
    assert "NO ROW    2 scans have no row" in done.stdout and "sub-07" in done.stdout
    assert "NO SCAN   1 rows" in done.stdout and "99 (line 9)" in done.stdout
    assert "sub-07" not in (tmp_path / "out" / "manifest.csv").read_text()


def test_without_labels_there_is_one_class_that_train_reads(study, call_shell, tiny_overlay, tmp_path):
    done = call_shell("prepare.py", study / "nifti", "--to", tmp_path / "out", *CUT)
    assert done.returncode == 0, done.stderr
    assert {row["label"] for row in manifest_rows(tmp_path / "out")} == {"unlabelled"}
    assert (tmp_path / "out" / "train" / "unlabelled").is_dir()
    run = ("train.py", "--config", tiny_overlay, "--data", tmp_path / "out", "--run", tmp_path / "run", "--until", 8)
    trained = call_shell(*run)
    assert trained.returncode == 0 and "unlabelled = 0 (from unlabelled): unconditional" in trained.stdout, (
        trained.stderr
    )


@pytest.mark.parametrize(("splits", "words"), [(1, None), (2, "two splits"), (3, "three splits")])
def test_that_all_are_in_train_is_told_where_more_was_asked_for(splits, words, capsys):
    from progan_style.commands.prepare import report

    rows = [{"split": "train", "label": "AD", "subject": "p1", "session": ""}]
    assert report("out", rows, {}, {}, splits) == 0
    said = capsys.readouterr().out
    assert f"too few persons of a class for {words}" in said if words else "too few" not in said


def test_a_mask_beside_a_scan_is_applied(scan_tools, call_shell, tmp_path):
    data, affine = scan_tools.head(6.0)
    _, _, mask = scan_tools.bare_brain(6.0)
    scan_tools.write_nifti(tmp_path / "in" / "sub-1" / "sub-1_T1w.nii.gz", data, affine)
    scan_tools.write_nifti(tmp_path / "in" / "sub-1" / "sub-1_desc-brain_mask.nii.gz", mask.astype(np.uint8), affine)
    scan_tools.write_dicom(tmp_path / "in" / "sub-2", data, affine)
    scan_tools.write_nifti(tmp_path / "in" / "sub-2_mask.nii.gz", mask.astype(np.uint8), affine)
    scan_tools.write_nifti(tmp_path / "in" / "sub-3_bold.nii.gz", np.stack([data] * 2, -1), affine)
    assert call_shell("prepare.py", tmp_path / "in" / "sub-1", "--to", tmp_path / "one", *CUT).returncode == 0
    assert {row["middle"] for row in manifest_rows(tmp_path / "one")} == {"mask"}
    done = call_shell("prepare.py", tmp_path / "in", "--to", tmp_path / "all", *CUT)
    assert done.returncode == 0 and "1 other volumes are left out: no *_T1w (1)" in done.stdout
    assert {row["middle"] for row in manifest_rows(tmp_path / "all")} == {"mask"}
    (tmp_path / "in" / "sub-1" / "sub-1_T1w.nii.gz").rename(tmp_path / "in" / "sub-1" / "sub-1.nii.gz")
    done = call_shell("prepare.py", tmp_path / "in", "--to", tmp_path / "both", *CUT)
    assert done.returncode == 1 and "4-D" in done.stderr  # without T1w in the names, nothing is left out
    assert {row["middle"] for row in manifest_rows(tmp_path / "both") if row["guessed_subject"] == "2"} == {"mask"}


def test_a_full_disk_is_named_and_nothing_is_left(study, call_shell, tmp_path):
    (tmp_path / "out").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # a write beyond 100 bytes fails
    try:
        done = call_shell("prepare.py", study / "nifti", "--to", tmp_path / "out", *CUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(done, "out: the disk is full; free space, or name another folder with --to")
    assert everything(tmp_path / "out") == []


def test_ctrl_c_on_the_way_leaves_nothing(study, call_shell, tmp_path, monkeypatch):
    from progan_style.scans import study as module

    whole, seen = module.cut_scan, []

    def stopped(task):
        seen.append(task)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return whole(task)

    monkeypatch.setattr(module, "cut_scan", stopped)
    done = call_shell("prepare.py", study / "nifti", "--to", tmp_path / "new" / "out", *CUT)
    assert done.returncode == 130 and "stopped; nothing is left in" in done.stderr, done.stderr
    assert everything(tmp_path) == []


def test_oasis_1_as_downloaded_is_cut_upright_and_other_analyze_files_ask_once(scan_tools, call_shell, tmp_path):
    """RAW, SUBJ_111 and T88_111 of a phantom give its NIfTI file's slices; turned, it ends with 1 and a sheet."""
    data, affine = scan_tools.head(6.0)
    scan_tools.write_nifti(tmp_path / "nifti" / "OAS1_0001_MR1.nii.gz", data, affine)
    assert call_shell("prepare.py", tmp_path / "nifti", "--to", tmp_path / "of_nifti", *CUT).returncode == 0
    expected = [np.asarray(Image.open(tmp_path / "of_nifti" / r["path"])) for r in manifest_rows(tmp_path / "of_nifti")]
    names = {"mpr-1_anon": "ASL", "mpr_n4_anon_sbj_111": "ASL", "mpr_n4_anon_111_t88_gfc": "LAS", "other": "PIR"}
    for name, code in names.items():
        scan_tools.write_analyze(tmp_path / name / f"OAS1_0001_MR1_{name}.img", data, 6.0, code)
        call = ("prepare.py", tmp_path / name, "--to", tmp_path / f"of_{name}", *CUT)
        if name == "other":
            refused(call_shell(*call), "the first: OAS1_0001_MR1_other.img: its header states no orientation; state it")
            call = (*call, "--orientation", "pir")
        done = call_shell(*call)
        assert done.returncode == 0 and "note      OAS1_0001_MR1_" in done.stdout, done.stderr
        found = [
            np.asarray(Image.open(tmp_path / f"of_{name}" / r["path"])) for r in manifest_rows(tmp_path / f"of_{name}")
        ]
        assert np.array_equal(expected, found), name
    wrong = ("--to", tmp_path / "wrong", "--orientation", "LAS", "--middle", "volume")
    done = call_shell("prepare.py", tmp_path / "other", *wrong, *CUT)
    assert done.returncode == 1 and done.stderr.startswith("WHICH WAY UP  OAS1_0001_MR1_other.img: by its shape")
    assert (tmp_path / "wrong" / "sheets" / "which way up.png").is_file()


@pytest.fixture(scope="module")
def whole_heads(scan_tools, tmp_path_factory):
    """Two whole heads, nose up and nose down, and one whose brain is an ellipsoid; the folder, degrees nose up."""
    from benchmarks.whole_heads import Pose, read_atlas, whole_head
    from progan_style.phantoms.persons import draw_person

    root, atlas, pitches = tmp_path_factory.mktemp("whole"), read_atlas(atrophy=False), {"00": 12.0, "01": -8.0}
    for subject, pitch in pitches.items():
        pose = Pose((pitch, 0.0, 0.0), (5, 10, -10), 1.0)
        head = whole_head(draw_person(int(subject), "test", 5, "clear"), pose, atlas, 5, voxel=4.0)
        scan_tools.write_nifti(root / "in" / f"sub-{subject}_T1w.nii.gz", head.data.astype(np.int16), head.affine)
    scan_tools.write_nifti(root / "in" / "sub-02_T1w.nii.gz", *scan_tools.head(4.0))
    (root / "labels.csv").write_text("subject,group\nsub-00,CN\nsub-01,CN\nsub-02,CN\n")
    return root, pitches


def test_every_head_is_cut_about_one_point_of_the_template(whole_heads, call_shell, tmp_path):
    """The manifest tells of the registration; a head that misses it is listed, mixes its class, and ends --strict."""
    root, pitches = whole_heads
    call = ("prepare.py", root / "in", "--labels", root / "labels.csv", "--middle", "template", *CUT)
    done = call_shell(*call, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = manifest_rows(tmp_path / "out")
    assert len(rows) == 3 * 3
    for row in rows:
        pitch = pitches.get(row["subject"].removeprefix("sub-"))
        if pitch is None:
            columns = ("middle", "similarity", "pitch", "to_scan", "template_mm")
            assert [row[name] for name in columns] == ["vertex", "", "", "", ""]
            continue
        numbers = np.array(row["to_scan"].split(), float).reshape(3, 4)
        size = np.cbrt(np.linalg.det(numbers[:, :3]))
        assert row["middle"] == "template" and 0.35 < float(row["similarity"]) < 1
        assert float(row["pitch"]) == pytest.approx(pitch, abs=3)
        assert float(row["template_mm"]) == pytest.approx(14 + float(row["slice_mm"]) / size, abs=0.5)
        assert np.linalg.norm(numbers @ [0, -17, 14, 1] - [5, -7, 4]) < 4.0  # the pose's pivot, moved
    assert "MISSED    1 scans do not register to the template and are cut without it:" in done.stdout
    told = next(line for line in done.stdout.splitlines() if "sub-02_T1w.nii.gz: " in line and "cut about" in line)
    assert "; expected" in told and told.endswith("; cut about: vertex")
    card = (tmp_path / "out" / "DATASET.md").read_text()
    assert "| middle | template |" in card
    assert "- 2 about the template and 1 about the vertex: their levels do not match; choose one with --middle" in card
    assert "no registration to the template: " in (tmp_path / "out" / "scans.csv").read_text()
    strict = (*call, "--strict", "--include", "*sub-02*", "--to", tmp_path / "strict")
    refused(call_shell(*strict), "sub-02_T1w.nii.gz: no registration to the template: ")
    assert not (tmp_path / "strict").exists()


def test_without_its_template_nothing_is_cut(whole_heads, call_shell, tmp_path, monkeypatch):
    from nilearn import datasets

    from progan_style.scans.template import load_template

    def gone(resolution):
        raise FileNotFoundError("mni_icbm152.nii.gz")

    monkeypatch.setattr(datasets, "load_mni152_template", gone)
    load_template.cache_clear()
    call = ("prepare.py", whole_heads[0] / "in", "--to", tmp_path / "out", "--middle", "template", *CUT)
    refused(call_shell(*call), "--middle template: expected nilearn's ICBM152 template, got FileNotFoundError")
    assert not (tmp_path / "out").exists()


BAD = {
    "no source": ((), "SOURCE: expected a folder"),
    "no folder to write": (("{study}/nifti",), "--to: expected the folder to write"),
    "no such source": (("nowhere", "--to", "{to}"), "nowhere: no such folder"),
    "not empty": (("{study}/nifti", "--to", "{study}"), "not empty; name a new folder with --to"),
    "split": (("{study}/nifti", "--to", "{to}", "--split", "80/20"), "--split: expected train/validate/test"),
    "size": (("{study}/nifti", "--to", "{to}", "--size", "100"), "--size: expected a power of two"),
    "workers": (("{study}/nifti", "--to", "{to}", "--workers", "0"), "--workers: expected 1 or more, got 0"),
    "seed": (("{study}/nifti", "--to", "{to}", "--seed", "-1"), "--seed: expected 0"),
    "orientation": (("{study}/nifti", "--to", "{to}", "--orientation", "LAT"), "--orientation: expected three letters"),
    "visit": (("{study}/nifti", "--to", "{to}", "--nearest-visit", "-1"), "--nearest-visit: expected days, 0 or more"),
    "names": (("{study}/nifti", "--to", "{to}", "--names", "x"), "--names: expected a pattern such as"),
    "labels": (("{study}/nifti", "--to", "{to}", "--labels", "nowhere.csv"), "nowhere.csv: no such file"),
    "alias": (("{study}/nifti", "--to", "{to}", "--labels", "{study}/labels.csv", "--alias", "x"), "--alias: expected"),
    "audit and source": (("{study}", "--audit", "{study}"), "--audit takes its folder itself"),
    "audit of scans": (("--audit", "{study}", "--to", "{to}"), "no slices; expected SPLIT/CLASS/"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(case, study, call_shell, tmp_path):
    arguments, message = BAD[case]
    to = tmp_path / "out"
    refused(call_shell("prepare.py", *(a.format(study=study, to=to) for a in arguments)), message)
    assert not to.exists()


# --------------------------------------------------------------------------------------------------------- slices


def test_findings_are_told_where_their_page_cannot_be_written(call_shell, tmp_path, monkeypatch):
    def read_only(path, content):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("progan_style.audit.audit.write_whole", read_only)
    source = write_noise(tmp_path / "in")
    done = call_shell("prepare.py", "--audit", source)
    assert done.stdout.startswith(f"audit     {source}: 72 slices") and "result    nothing was found" in done.stdout
    refused(done, "audit/audit.json: Read-only file system: the page is not written; name another folder with --to")


@pytest.mark.parametrize("option", ("--plane=axial", "--include=*", "--exclude=x", "--orientation=LAS"))
def test_an_option_of_scans_is_refused_for_slices(option, call_shell, tmp_path):
    source = write_noise(tmp_path / "in", persons=2)
    name = option.partition("=")[0]
    refused(call_shell("prepare.py", source, "--to", tmp_path / "out", option), f"{name}: for scans; {source} holds no")


def test_an_audit_that_finds_something_exits_1(call_shell, tmp_path):
    source = write_noise(tmp_path / "in")
    (source / "Validate Set" / "AD" / "ad900_0.png").write_bytes(
        (source / "Training Set" / "AD" / "ad000_0.png").read_bytes()
    )
    done = call_shell("prepare.py", "--audit", source)
    assert done.returncode == 1 and "are identical" in done.stdout, done.stdout + done.stderr
    assert (source / "audit" / "audit.html").is_file()
    again = call_shell("prepare.py", "--audit", source)  # what it wrote is no part of the data
    assert again.stdout == done.stdout

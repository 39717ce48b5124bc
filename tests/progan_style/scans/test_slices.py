"""A folder of slices, split by person."""

from data_tools import write_noise
from shell_tools import manifest_rows, refused


def test_a_folder_of_slices_is_grouped_and_split_anew(call_shell, tiny_overlay, tmp_path):
    source = write_noise(tmp_path / "in")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "24 groups of the file names" in done.stdout
    rows = manifest_rows(tmp_path / "out")
    assert len(rows) == 72 and {row["label"] for row in rows} == {"AD", "CN"}
    splits = {
        subject: {r["split"] for r in rows if r["subject"] == subject} for subject in {r["subject"] for r in rows}
    }
    assert len(splits) == 24 and all(len(of) == 1 for of in splits.values())
    originals = {path.read_bytes() for path in source.rglob("*.png")}
    assert {(tmp_path / "out" / row["path"]).read_bytes() for row in rows} == originals
    run = ("--run", tmp_path / "run", "--until", 8)
    assert call_shell("train.py", "--config", tiny_overlay, "--data", tmp_path / "out", *run).returncode == 0


def test_slices_of_unknown_persons_are_not_split(call_shell, tmp_path):
    source = write_noise(tmp_path / "in", splits=(), persons=4)
    refused(call_shell("prepare.py", source, "--to", tmp_path / "out"), "persons unknown")
    assert not (tmp_path / "out").exists()
    lines = [f"{path.relative_to(source)},{path.name[:5]}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["path,subject", *lines]))
    done = call_shell("prepare.py", source, "--labels", tmp_path / "labels.csv", "--to", tmp_path / "out")
    assert done.returncode == 0 and len({row["subject"] for row in manifest_rows(tmp_path / "out")}) == 8, done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "cut", "--size", 64),
        "--size: for scans; ",
    )


def test_an_unreadable_slice_is_listed(call_shell, tmp_path):
    source = write_noise(tmp_path / "in")
    victim = next(source.rglob("ad003_1.png"))
    victim.write_bytes(b"no picture")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 1 and len(manifest_rows(tmp_path / "out")) == 71
    assert "FAILED" in done.stderr and "ad003_1.png" in done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "strict", "--strict"), "(--strict: nothing was written)"
    )

"""A tool of the user's finds the brain: what it is given, and what becomes of its faults."""

import shlex
import sys

import numpy as np
import pytest

from progan_style.scans.stripping import find_brain, parse_command
from progan_style.scans.volumes import BadScan, make_volume

TOOL = """
import sys
scan, out, how = sys.argv[1:]
if how == "fails":
    print("loading\\nno such model: cortex.h5")
    sys.exit(3)
if how == "nothing":
    sys.exit(0)
import nibabel as nib
image = nib.load(scan)
data = image.get_fdata()
mask = (data > 500).astype("uint8")
data = mask[:-1] if how == "smaller" else mask if how == "mask" else data * mask if how == "brain" else mask * 0
nib.save(nib.Nifti1Image(data.astype("float32"), image.affine), out)
"""


@pytest.fixture
def tool(tmp_path):
    """tool(how, file) -> the command of a tool that does so."""
    path = tmp_path / "a tool.py"
    path.write_text(TOOL)

    def command(how, file="{mask}"):
        return parse_command(shlex.join([sys.executable, str(path), "{scan}", file, how]))

    return command


@pytest.fixture
def volume(scan_tools):
    data, affine = scan_tools.head(4.0)
    return make_volume(data.astype(np.float32), scan_tools.turned(affine, 20.0, 0), "scan")


@pytest.mark.parametrize("how", ("mask", "brain"))
def test_the_brain_is_where_the_tool_says(tool, volume, how):
    assert np.array_equal(find_brain(volume, tool(how, f"{{{how}}}")), volume.data > 500)


@pytest.mark.parametrize(
    ("how", "file", "told"),
    [
        ("fails", "{mask}", "ended with exit code 3: no such model: cortex.h5"),
        ("nothing", "{mask}", "wrote no {mask}: it said nothing"),
        ("smaller", "{mask}", "another grid"),
        ("smaller", "{brain}", "{brain} lies on another grid than the scan"),
        ("empty", "{mask}", "constant image"),
        ("empty", "{brain}", "constant image"),
    ],
)
def test_a_fault_of_the_tool_is_a_fault_of_the_scan(tool, volume, how, file, told):
    with pytest.raises(BadScan) as caught:
        find_brain(volume, tool(how, file))
    assert str(caught.value).startswith("--strip: python") and told in str(caught.value)
    assert "\n" not in str(caught.value) and "/strip-" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mri_synthstrip", "expected a command with {scan} and {mask}"),
        ("python {scan}", "expected a command with {scan} and {mask}"),
        ("python '{scan} {mask}", "No closing quotation"),
        ("", "expected a command"),
        ("no-such-tool {scan} {mask}", "no program no-such-tool on this machine"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused(text, told):
    with pytest.raises(ValueError, match=r"^--strip: ") as caught:
        parse_command(text)
    assert told in str(caught.value)


def test_no_shell_reads_the_command(tool, volume, tmp_path):
    """A word that a shell would run is a word."""
    made = tmp_path / "made"
    with pytest.raises(BadScan, match="ended with exit code"):
        find_brain(volume, (*tool("mask"), f"; touch {made}", f"$(touch {made})"))
    assert not made.exists()


def test_a_tool_and_its_files_are_found_from_where_the_command_was_typed(tool, volume, tmp_path, monkeypatch):
    tool("mask")
    script = tmp_path / "strip.sh"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$(dirname "$0")/a tool.py" "$@" mask\n')
    script.chmod(0o755)
    (tmp_path / "mask").mkdir()  # of the name of a word that is no file
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    python = sys.executable
    commands = ["./strip.sh {scan} {mask}"] + [
        f"{python} {file} {{scan}} {{mask}} mask" for file in ("'a tool.py'", "'sub/../a tool.py'")
    ]
    for command in commands:
        assert np.array_equal(find_brain(volume, parse_command(command)), volume.data > 500)
    script.write_text(f'#!/bin/sh\nexec "{python}" "${{1#--tool=}}" "$2" "$3" mask\n')
    command = parse_command("./strip.sh '--tool=a tool.py' {scan} {mask}")
    assert np.array_equal(find_brain(volume, command), volume.data > 500)


def test_a_module_and_a_folder_of_the_user_are_found(tool, volume, tmp_path, monkeypatch):
    """python -m looks in the folder in which it runs; a bare name may be that of a folder."""
    tool("mask")
    (tmp_path / "mybet.py").write_text((tmp_path / "a tool.py").read_text())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "how.txt").write_text("mask")
    (tmp_path / "reads.py").write_text(
        "import mybet_parts.how, os, sys\n"
        "sys.argv[3] = open(os.path.join(sys.argv[3].split('=')[-1], 'how.txt')).read()\n"
        f"exec(open({str(tmp_path / 'mybet.py')!r}).read())\n"
    )
    (tmp_path / "mybet_parts").mkdir()
    (tmp_path / "mybet_parts" / "how.py").touch()
    monkeypatch.chdir(tmp_path)
    for words in ("-m mybet {scan} {mask} mask", "-m reads {scan} {mask} models", "-m reads {scan} {mask} --m=models"):
        command = parse_command(f"{sys.executable} {words}")
        assert np.array_equal(find_brain(volume, command), volume.data > 500)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["how.txt"]


def test_two_tools_at_once_do_not_share_a_folder(tool, volume, tmp_path, monkeypatch):
    """One that writes beside itself would give a scan the other person's brain, which passes every check."""
    script = tmp_path / "tool.py"
    script.write_text("import os, sys\nopen('tmp_mask.nii.gz', 'x').close()\nprint(os.getcwd())\nsys.exit(1)\n")
    monkeypatch.chdir(tmp_path)
    command = parse_command(f"{sys.executable} tool.py {{scan}} {{mask}}")
    for _ in range(2):
        with pytest.raises(BadScan, match=r"exit code 1: \.$"):
            find_brain(volume, command)
    assert not (tmp_path / "tmp_mask.nii.gz").exists()

"""A tool of the user's that finds the brain: a command line, run without a shell, once per scan.

The command never sees a name of the study: the scan is written as scan.nii.gz into a folder that is removed afterwards,
and the tool runs there. What the command names is found from there as from the folder in which the user typed it: files
by their whole paths, folders by links, modules of Python by PYTHONPATH.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from progan_style.files import printable
from progan_style.scans.volumes import BadScan, Volume, read_mask, read_volume

FORM = "expected a command with {scan} and {mask} (or {brain}), such as 'mri_synthstrip -i {scan} -m {mask}'"


def parse_command(text: str) -> tuple[str, ...]:
    """--strip's COMMAND -> its words. Raises ValueError, one line, if it cannot be run or names no files."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"--strip: {FORM}, got {text!r} ({error})") from None
    joined = " ".join(words)
    if "{scan}" not in joined or not ("{mask}" in joined or "{brain}" in joined):
        raise ValueError(f"--strip: {FORM}, got {text!r}")
    program = shutil.which(words[0])
    if program is None:
        raise ValueError(f"--strip: no program {words[0]} on this machine; install it, or give its path")
    return (os.path.abspath(program), *map(_absolute, words[1:]))


def _absolute(word: str) -> str:
    """A word that names a file of the folder in which the command was typed (a model, --model=FILE), by its whole path.

    A bare name is one of a file only, for a folder may be called as an option's value is: see _link_folders.
    """
    for start, name in _names_in(word):
        if os.path.exists(name) if os.sep in name else os.path.isfile(name):
            return start + os.path.abspath(name)
    return word


def _names_in(word: str) -> list[tuple[str, str]]:
    """What may be a name in a word, with what stands before it: all of it, or what follows --option=."""
    option, _, value = word.partition("=")
    return [("", word), (f"{option}=", value)]


def _link_folders(command: Sequence[str], here: str) -> None:
    """Links in the folder `here` to those folders of the user's that the command names by a bare word (models)."""
    for name in {name for word in command for _, name in _names_in(word)} - {"", os.curdir, os.pardir}:
        if os.sep not in name and os.path.isdir(name):
            os.symlink(os.path.abspath(name), os.path.join(here, name))


def _environment(program: str) -> dict[str, str]:
    """The user's; for a Python also with the user's folder, in which `python -m` looks for modules."""
    ours = dict(os.environ)
    if program.startswith("python"):
        ours["PYTHONPATH"] = os.pathsep.join(filter(None, (os.getcwd(), ours.get("PYTHONPATH", ""))))
    return ours


def find_brain(volume: Volume, command: tuple[str, ...]) -> NDArray[np.bool_]:
    """The brain by the user's tool, [X, Y, Z]. Raises BadScan if it fails or writes no mask on the scan's grid.

    {mask} is a file that the tool is to write, with values above 0.5 in the brain; without it, {brain} is one of the
    scan with 0 outside the brain.
    """
    import nibabel as nib

    program = Path(command[0]).name
    with tempfile.TemporaryDirectory(prefix="strip-") as folder:
        files = {"{" + name + "}": Path(folder) / f"{name}.nii.gz" for name in ("scan", "mask", "brain")}
        nib.save(nib.Nifti1Image(volume.data, volume.affine), files["{scan}"])
        _link_folders(command[1:], folder)
        words = list(command)
        for name, path in files.items():
            words = [word.replace(name, str(path)) for word in words]
        try:
            done = subprocess.run(
                words,
                env=_environment(program),
                cwd=folder,  # two tools at once would find each other's files in a folder that they share
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise BadScan(f"--strip: {program} cannot be run ({error.strerror})") from None
        said = done.stdout.decode(errors="replace").replace(f"{folder}/", "").replace(folder, ".").strip().splitlines()
        last = printable(said[-1].strip()[-200:]) if said else "it said nothing"
        if done.returncode:
            raise BadScan(f"--strip: {program} ended with exit code {done.returncode}: {last}")
        wanted = "{mask}" if any("{mask}" in word for word in command) else "{brain}"
        if not files[wanted].is_file():
            raise BadScan(f"--strip: {program} wrote no {wanted}: {last}")
        try:
            return read_mask(files[wanted], volume) if wanted == "{mask}" else _not_zero(files[wanted], volume)
        except BadScan as error:
            raise BadScan(f"--strip: {program}: {str(error).replace(f'{folder}/', '')}") from None


def _not_zero(path: Path, volume: Volume) -> NDArray[np.bool_]:
    brain = read_volume(path)
    if brain.data.shape != volume.data.shape or not np.allclose(brain.affine, volume.affine, atol=0.01):
        raise BadScan("{brain} lies on another grid than the scan")
    inside = brain.data != 0
    if not 1000 <= np.count_nonzero(inside) < inside.size:
        raise BadScan(f"{np.count_nonzero(inside)} voxels of {{brain}} are not 0; expected 0 outside the brain alone")
    return inside

"""The classes of people: the names that they go by, and which of them a folder of slices holds."""

import os
import re
from collections.abc import Mapping, Sequence

from progan_style.data.folder import AUDIT, SHEETS, SPLIT_OF, folder_words, plain, some
from progan_style.data.gray import SUFFIXES
from progan_style.data.manifest import MANIFEST, path_of, read_manifest
from progan_style.described import is_missing

ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
LEAVE_OUT = "-"  # --alias NAME=-
# Class -> other names of it, by plain(); the names are data.classes' own
GROUPS = {
    "CN": ("cn", "nc", "nl", "hc", "normal", "control", "controls", "healthy", "healthy control", "cognitively normal",
           "cognitively unimpaired", "cu", "nondemented", "non demented", "no dementia"),
    "MCI": ("mci", "emci", "lmci", "smci", "pmci", "mild cognitive impairment", "early mci", "late mci",
            "cognitive impairment"),
    "AD": ("ad", "dat", "dementia", "demented", "alzheimer", "alzheimers", "alzheimer's", "alzheimer disease",
           "alzheimer's disease", "alzheimers disease", "ad dementia", "very mild demented", "mild demented",
           "moderate demented", "verymilddemented", "milddemented", "moderatedemented", "very mild dementia",
           "mild dementia", "moderate dementia"),
}  # fmt: skip


def alias_table(extra: Sequence[str]) -> dict[str, str]:
    """GROUPS and the user's NAME=CLASS -> plain name of a group: its class. Raises ValueError for a bad NAME=CLASS."""
    table = {plain(name): label for label, names in GROUPS.items() for name in names}
    for text in extra:
        name, equals, label = text.rpartition("=")
        if not equals or not name.strip() or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]*|-", label.strip()):
            raise ValueError(f"--alias: expected NAME=CLASS (letters and digits), or NAME=- to leave out, got '{text}'")
        table[plain(name)] = label.strip()
    return table


def _folders(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if e.is_dir() and e.name[0] != "." and e.name not in (SHEETS, AUDIT))


def has_pictures(path: str) -> bool:
    """Whether pictures lie directly in a folder."""
    with os.scandir(path) as entries:
        return any(e.name[0] != "." and e.name.lower().endswith(SUFFIXES) and e.is_file() for e in entries)


def find_classes(root: str, aliases: Sequence[str] = ()) -> dict[str, str]:
    """Folder and manifest names -> classes, by the table of group names; a name that it lacks is a class of its own.

    But for a folder all of whose pictures have another label in the manifest: images/ beside labels CN and AD.
    """
    if not os.path.isdir(root):
        raise FileNotFoundError(f"{root}: no such folder; expected a folder of slices")
    top = _folders(root)
    splits = [name for name in top if plain(name) in SPLIT_OF]
    inner = [(f"{root}/{split}", name) for split in splits for name in _folders(f"{root}/{split}")]
    names = {name for where, name in (inner if splits else [(root, n) for n in top]) if has_pictures(f"{where}/{name}")}
    table = alias_table(aliases)
    header, lines = read_manifest(root)
    if "label" in header:
        labels: dict[str, set[str]] = {}
        for _, row in lines:
            labels.setdefault(folder_words(path_of(row))[1], set()).add(row["label"])
        names = {name for name in names if plain(name) in table or not _is_of_others(plain(name), labels)}
        names |= {label for found in labels.values() for label in found if not is_missing(label)}
    return {name: table.get(plain(name), name) for name in sorted(names)}


def _is_of_others(folder: str, labels: Mapping[str, set[str]]) -> bool:
    """Whether all lines of a folder have a label, and none has the folder's name for one. labels: by folder."""
    found = labels.get(folder, set())
    return bool(found) and not any(is_missing(label) or plain(label) == folder for label in found)


def folders_inside(root: str) -> list[str]:
    """The folders directly in one that holds no classes, which hold some: several data sets lie side by side there."""
    return [f"{root}/{name}" for name in _folders(root) if find_classes(f"{root}/{name}")]


def not_read(root: str) -> str:
    """What lies in a folder that looks like data and is not read, as the end of an error's line; "" without any."""
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file() and entry.name[0] != ".")
    if "dataset.json" in names and MANIFEST not in names:
        return "; dataset.json (of StyleGAN's dataset_tool) is not read: name the classes by folders or in manifest.csv"
    if any(name.lower().endswith(".parquet") for name in names):
        return "; parquet files are not read: write their pictures into CLASS/ folders"
    if packed := [name for name in names if name.lower().endswith(ARCHIVES)]:
        return f"; archives are not read ({some(packed)}): unpack them"
    return ""


def advice(root: str, class_names: Sequence[str]) -> str:
    """What to change so that the classes of a folder are found, as the end of an error's line; "" if unknown."""
    if not os.path.isdir(root):
        return ""
    if unread := not_read(root):
        return unread
    class_of = {name: label for name, label in find_classes(root).items() if plain(name) != plain(label)}
    if set(class_names) & set(class_of.values()):
        pairs = ", ".join(f"{name}: {label}" for name, label in class_of.items())
        return f"; these names of classes are known: --set 'data.aliases={{{pairs}}}'"
    inside = [] if class_of else folders_inside(root)
    return f"; did you mean {' or '.join(inside)}?" if inside else ""

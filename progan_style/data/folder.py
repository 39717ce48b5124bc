"""What a data folder says before any picture is opened: its slices with split, label and person, by name.

Folders, without regard to case:  SPLIT/CLASS/*.png,  or  CLASS/*.png (all train, unless a manifest says otherwise).
SPLIT is a name in SPLITS, CLASS a name in data.classes or an alias of one; classes are numbered by data.classes, never
by the order of folders.

A manifest.csv beside them (path, and any of label, split and a column of persons; further columns are kept) has the
word. It has to list every image of the class folders, and may list images in other folders. An empty cell,
nan or n/a leaves the word to the folder; where the two disagree nothing is guessed: it is an error that names the line.

Where unlabelled slices are asked for, a folder `unlabelled` is read as a class's folder is, and a line of the manifest
without a label, whose folder is no class's, is one of them. They belong to the train split alone.
"""

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from progan_style.data.gray import SUFFIXES
from progan_style.data.manifest import MANIFEST, path_of, read_manifest
from progan_style.described import is_missing
from progan_style.files import check_part

UNLABELLED = "unlabelled"  # the folder of slices without a class
SHEETS, AUDIT = "sheets", "audit"  # what prepare.py puts beside the slices
SPLITS = {
    "train": ("train", "training", "train set", "training set"),
    "validate": ("validate", "validation", "val", "valid", "validate set", "validation set", "val set", "valid set"),
    "test": ("test", "testing", "test set", "testing set"),
}
# Split -> its folder as written: a name that Hugging Face's imagefolder knows too
FOLDER_OF = {"train": "train", "validate": "validation", "test": "test"}
SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}


@dataclass
class Slice:
    path: str  # relative to the folder, with /
    size: int
    mtime_ns: int
    split: str = ""  # "" until the folder's or the manifest's word is known
    label: int = -1  # so here; where every word is known: unlabelled
    subject: str = ""
    extra: dict[str, str] = field(default_factory=dict)  # the manifest's further columns


@dataclass
class Folder:
    slices: list[Slice]  # sorted by split, then path
    splits: tuple[str, ...]  # those that have a folder or a line in the manifest
    class_folders: dict[int, tuple[str, ...]]  # label (-1: unlabelled) -> its folders, such as Training Set/NC
    in_splits: bool  # SPLIT/CLASS/, not CLASS/ alone
    unused: tuple[str, ...]  # folders, loose images and labels that belong to no class
    has_subjects: bool  # the manifest has the column of persons


def plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def some(items: Iterable[str], most: int = 4) -> str:
    names = list(items)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def label_names(class_names: Sequence[str], aliases: Mapping[str, str]) -> dict[str, int]:
    """Every plain name that a class goes by -> its label. Raises ValueError if two classes share one."""
    label_of = {plain(name): label for label, name in enumerate(class_names)}
    if not class_names or "" in label_of or len(label_of) < len(class_names):
        raise ValueError(f"data.classes: expected different names (case does not count), got {list(class_names)}")
    for alias, name in aliases.items():
        # An alias of a class that is not in data.classes is idle: the default NC: CN must not bar [AD, MCI]
        label = label_of.get(plain(name))
        if label is not None and label_of.setdefault(plain(alias), label) != label:
            raise ValueError(f"data.aliases: {alias}: {name}, but {alias} is another class already")
    return label_of


def read_folder(
    root: str,
    class_names: Sequence[str],
    aliases: Mapping[str, str],
    subject_column: str,
    unlabelled: bool = False,
    audit: bool = False,
) -> Folder:
    """List the slices of a folder; unlabelled: those without a class too, after those of the train split that have one.

    audit: a split may lack a class: those of the folder are told from it, and nobody asked for them in every split.
    Raises FileNotFoundError or ValueError, one line, if it is not as said above.
    """
    label_of = label_names(class_names, aliases)
    for name in class_names:
        check_part(name, f"{root}: class")
    names, apart = tuple(class_names), None
    if unlabelled:  # while the folder is read they are one class more
        refuse_unlabelled(class_names, label_of)
        names, apart = (*class_names, UNLABELLED), len(class_names)
        label_of[UNLABELLED] = apart
    if not os.path.isdir(root):
        raise FileNotFoundError(f"{root}: no such folder; expected a folder of slices: see --data or data.root")
    scan = _Scan(root, label_of, apart)
    header, lines = read_manifest(root)
    if subject_column != "subject" and subject_column not in header:
        where = f"its columns are {', '.join(header)}" if header else f"{root} has no {MANIFEST}"
        raise ValueError(f"data.subject_column: {subject_column} is not in {MANIFEST}; {where}")
    slices = list(scan.slices.values())
    other_labels: list[str] = []
    if header:
        slices, other_labels = apply_manifest(root, scan.slices, lines, label_of, names, subject_column, apart)
    for item in slices:
        item.split = item.split or "train"
        item.label = -1 if item.label == apart else item.label
    elsewhere = Counter(item.split for item in slices if item.label < 0 and item.split != "train")
    slices = [item for item in slices if item.label >= 0 or item.split == "train"]
    slices.sort(key=lambda item: ([*SPLITS].index(item.split), item.label < 0, item.path))
    splits = tuple(name for name in SPLITS if name in scan.splits or any(item.split == name for item in slices))
    folder = Folder(
        slices,
        splits,
        {-1 if label == apart else label: tuple(sorted(paths)) for label, paths in scan.class_folders.items()},
        scan.in_splits,
        (
            *scan.left_over(slices),
            *other_labels,
            *(f"{n} {UNLABELLED} images of {split}" for split, n in elsewhere.items()),
        ),
        subject_column in header,
    )
    check_classes(root, folder, class_names, audit=audit)
    if unlabelled and not any(item.label < 0 for item in slices):
        where = f"train/{UNLABELLED}/" if scan.in_splits else f"{UNLABELLED}/"
        raise ValueError(
            f"data.unlabelled: expected slices in {os.path.join(root, where)} or lines of {MANIFEST} in train without "
            f"a label, found none: add them, or set data.unlabelled=false"
        )
    return folder


def refuse_unlabelled_class(class_names: Sequence[str]) -> None:
    """Raises ValueError for a class of that name beside others; alone, it is that of a folder without a diagnosis."""
    if len(class_names) > 1 and UNLABELLED in map(plain, class_names):
        raise ValueError(
            f"data.classes: {UNLABELLED} is no class beside others, whose slices could be made; take it out, and set "
            f"data.unlabelled=true if its slices are to take part in the training"
        )


def refuse_unlabelled(class_names: Sequence[str], label_of: Mapping[str, int]) -> None:
    """Raises ValueError where unlabelled slices cannot be told from those of a class."""
    if UNLABELLED in label_of:
        name = class_names[label_of[UNLABELLED]]
        raise ValueError(
            f"data.unlabelled: {UNLABELLED} is the name of the slices without a class, and {name} of data.classes goes "
            f"by it: take it out of data.classes and data.aliases, or set data.unlabelled=false"
        )
    if len(class_names) < 2:
        raise ValueError(
            f"data.unlabelled: expected two classes or more, got {class_names[0]} alone, beside which the unlabelled "
            f"would be of one class too: add a class to data.classes, or set data.unlabelled=false"
        )


def check_classes(root: str, folder: Folder, class_names: Sequence[str], skipped: int = 0, audit: bool = False) -> None:
    """Raise FileNotFoundError or ValueError if a split lacks a class (but not in an audit), or if there is no train."""
    hint = f" (not used: {some(folder.unused)})" if folder.unused else ""
    expected = " and ".join(f"{name}/" for name in class_names)
    if not folder.splits:
        raise FileNotFoundError(f"{root}: no class folders; expected {expected}, alone or in train/{hint}")
    if "train" not in folder.splits:
        raise FileNotFoundError(f"{root}: nothing to train on; expected train/ beside {', '.join(folder.splits)}{hint}")
    present = {(item.split, item.label) for item in folder.slices}
    for split in folder.splits:
        if {label for of, label in present if of == split} == {-1}:
            raise FileNotFoundError(
                f"{root}: {UNLABELLED} images alone in {split}; expected {expected} beside them: label some persons, "
                f"or set data.unlabelled=false"
            )
        for label, name in () if audit else enumerate(class_names):
            if (split, label) in present or (name == UNLABELLED and split != "train"):  # alone it is a class
                continue
            for path in folder.class_folders.get(label, ()):
                if not folder.in_splits or SPLIT_OF[plain(path.split("/")[0])] == split:
                    kinds = f"{skipped} unreadable ones skipped" if skipped else ", ".join(s[1:] for s in SUFFIXES)
                    raise ValueError(f"{os.path.join(root, path)}: no images of class {name} ({kinds}){hint}")
            where = f"{split}/{name}/" if folder.in_splits else f"{name}/"
            raise FileNotFoundError(
                f"{root}: no images of class {name} for {split}; expected {where}: add it, or change data.classes or "
                f"data.aliases{hint}"
            )


class _Scan:
    """The class folders of a data folder and the images in them."""

    def __init__(self, root: str, label_of: Mapping[str, int], unlabelled: int | None) -> None:
        self.root, self.label_of = root, label_of
        self.slices: dict[str, Slice] = {}
        self.splits: set[str] = set()
        self.class_folders: dict[int, set[str]] = {}
        self.unused: list[str] = []
        self.loose: dict[str, int] = {}  # folder -> images in it that belong to no class folder
        folders = [name for name in self._list("") if name not in (SHEETS, AUDIT)]
        in_splits = [name for name in folders if plain(name) in SPLIT_OF]
        alone = [name for name in folders if plain(name) in label_of and name not in in_splits]
        # Those without a class are of the train split wherever they lie
        beside = [name for name in alone if in_splits and label_of[plain(name)] == unlabelled]
        alone = [name for name in alone if name not in beside]
        if in_splits and alone:
            raise ValueError(
                f"{root}: has both split folders ({', '.join(in_splits)}) and class folders ({', '.join(alone)}); "
                f"expected SPLIT/CLASS/ or CLASS/: move the class folders into a split"
            )
        self.in_splits = bool(in_splits)
        self.splits.update(SPLIT_OF[plain(name)] for name in in_splits)
        if in_splits:
            self.unused += [f"{name}/" for name in folders if name not in in_splits and name not in beside]
            self._classes("", beside, "")
            for name in in_splits:
                self._classes(f"{name}/", self._list(f"{name}/"), SPLIT_OF[plain(name)])
        else:  # the split stays open for the manifest; without its word it is train
            self._classes("", folders, "")
            self.splits.update({"train"} if alone else ())

    def _classes(self, prefix: str, folders: Sequence[str], split: str) -> None:
        for name in folders:
            label = self.label_of.get(plain(name), -1)
            if label < 0:
                self.unused.append(f"{prefix}{name}/")
            else:
                self.class_folders.setdefault(label, set()).add(f"{prefix}{name}")
                self._list(f"{prefix}{name}/", split, label)

    def _list(self, prefix: str, split: str = "", label: int = -1) -> list[str]:
        """The subfolders of root/prefix; its images become slices if the label is known."""
        folders, loose, others = [], 0, set()
        with os.scandir(os.path.join(self.root, prefix)) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith("."):
                    continue
                if suffix not in SUFFIXES or entry.is_dir():
                    if entry.is_dir():
                        folders.append(entry.name)
                    elif label >= 0 and suffix:
                        others.add(f"*{suffix}")
                elif not entry.is_file() and not entry.is_symlink():  # to open a pipe is to wait for ever
                    others.add(f"{entry.name} (no regular file)")
                elif label < 0:
                    loose += 1
                else:
                    self.slices[prefix + entry.name] = Slice(prefix + entry.name, *_stat(entry), split, label)
        if label >= 0:  # folders of persons inside a class folder, or volumes: say so, they are easily taken for read
            self.unused += [f"{prefix}{name}/" for name in sorted(folders)] + [f"{prefix}{o}" for o in sorted(others)]
        if loose:
            self.loose[prefix] = loose
        return sorted(folders)

    def left_over(self, slices: Sequence[Slice]) -> list[str]:
        """The folders and the counts of loose images that no slice is of."""
        used = Counter(f"{posixpath.dirname(item.path)}/" for item in slices)
        loose = {prefix or "the folder itself": n - used[prefix or "/"] for prefix, n in self.loose.items()}
        folders = [name for name in self.unused if not any(path.startswith(name) for path in used)]
        return [*folders, *(f"{n} images in {where}" for where, n in loose.items() if n)]


def _stat(entry: "os.DirEntry[str]") -> tuple[int, int]:
    try:
        stat = entry.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{entry.path}: a link to a file that is not there; remove or repair it") from None
    return stat.st_size, stat.st_mtime_ns


# ----------------------------------------------------------------------------------------------------- manifest


def apply_manifest(
    root: str,
    found: dict[str, Slice],
    lines: Sequence[tuple[int, dict[str, str]]],
    label_of: Mapping[str, int],
    class_names: Sequence[str],
    subject_column: str,
    unlabelled: int | None,
) -> tuple[list[Slice], list[str]]:
    """Give the slices the manifest's words -> all slices in use, and what was left out for its label.

    unlabelled: the label, beyond those of the classes, of slices without one; None where they are left out.
    """
    listed: dict[str, int] = {}
    slices: list[Slice] = []
    others: dict[str, int] = {}
    for number, row in lines:
        where = f"{os.path.join(root, MANIFEST)} line {number}"
        path = path_of(row)
        if not row["path"] or path.startswith(("/", "../")):
            raise ValueError(f"{where}: path '{row['path']}'; expected a path inside {root}")
        if path in listed:
            raise ValueError(f"{where}: {path} stands on line {listed[path]} already")
        listed[path] = number
        item = found.get(path) or _outside(root, path, where, label_of)
        stated = row.get("label", "")
        word = "" if is_missing(stated) else stated
        split, label = SPLIT_OF.get(plain(row.get("split", "")), ""), label_of.get(plain(word), -1)
        if row.get("split") and not split:
            raise ValueError(f"{where}: split '{row['split']}'; expected {', '.join(SPLITS)}")
        if split and item.split and split != item.split:
            raise ValueError(f"{where}: split {split}, but {path} lies in {item.split}: correct one of them")
        if word and item.label >= 0 and label != item.label:
            is_in = class_names[item.label]
            raise ValueError(f"{where}: label {word}, but {path} lies in {is_in}: correct one of them")
        if unlabelled is not None and not word and item.label < 0:
            label = unlabelled
        if label < 0 and item.label < 0:
            others[stated] = others.get(stated, 0) + 1
            continue
        item.split, item.label = split or item.split, max(label, item.label)
        subject = row.get(subject_column, "")
        item.subject = "" if is_missing(subject) else subject
        item.extra = {n: c for n, c in row.items() if n not in ("path", "label", "split", subject_column)}
        slices.append(item)
    missing = sorted(found.keys() - listed.keys())
    if missing:
        raise ValueError(
            f"{root}: {MANIFEST} does not list {len(missing)} of {len(found)} images ({some(missing, 2)}): "
            f"add their lines, or take the images away"
        )
    return slices, [f"{count} images with label '{name}' in {MANIFEST}" for name, count in others.items()]


def _outside(root: str, path: str, where: str, label_of: Mapping[str, int]) -> Slice:
    """A listed image outside the class folders; its path may still say the split or the class."""
    try:
        stat = os.stat(os.path.join(root, path))
    except OSError:
        raise FileNotFoundError(f"{where}: {path} is not in {root}: correct the path or delete the line") from None
    if not path.lower().endswith(SUFFIXES):
        raise ValueError(f"{where}: {path}; expected a picture ({', '.join(s[1:] for s in SUFFIXES)})")
    split, name = folder_words(path)
    return Slice(path, stat.st_size, stat.st_mtime_ns, split, label_of.get(name, -1))


def folder_words(path: str) -> tuple[str, str]:
    """The split that the folders of a path say, and the plain name below it, maybe a class; "" where there is none."""
    parts = [plain(part) for part in path.split("/")[:-1]]
    split = SPLIT_OF.get(parts[0], "") if parts else ""
    return split, "".join(parts[1:2] if split else parts[:1])

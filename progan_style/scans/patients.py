"""The names of patients, which may not be written: those that DICOM headers tell, held against paths and cells."""

import re
from collections.abc import Iterable, Sequence

from progan_style.scans.finding import Scan

WITHHELD = "(withheld: it holds a patient's name)"
# What stands in PatientName and names nobody: of what is anonymous, of phantoms and volunteers, of the examination
# fmt: off
NO_NAMES = frozenset([
    "anon", "anonymous", "anonymized", "anonymised", "deidentified", "removed", "withheld", "none", "unknown",
    "unnamed", "noname", "name", "dummy", "subject", "subj", "sub", "patient", "participant", "volunteer",
    "volunteers", "control", "controls", "healthy", "phantom", "phantoms", "acr", "test", "tests", "testing",
    "pilot", "demo", "example", "calibration", "service", "quality", "assurance", "mri", "mrt", "irm", "scan",
    "scans", "scanner", "head", "brain", "neuro", "study", "research", "project", "session", "visit", "baseline",
    "data", "dicom", "image", "images", "series", "hospital", "clinic", "university", "siemens", "philips",
])
# fmt: on


def parts_of(name: str) -> set[str]:
    """The parts of a patient's name. A part with a digit is a pseudonym (123_S_4567), not a name."""
    parts = {part.lower() for part in re.split(r"[\W_]+", name) if len(part) > 2 and part.isalpha()}
    return parts - NO_NAMES


def carries(text: str, parts: Iterable[str]) -> bool:
    """Whether a text holds one of these parts of patients' names, within a word too."""
    return any(part in text.lower() for part in parts)


class Patients:
    """The names of all patients in a folder, held against the words of paths, which may not be written with one."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names_with: dict[str, set[frozenset[str]]] = {}  # a part -> the names that have it, as parts
        for parts in {frozenset(parts_of(name)) for name in names}:
            for part in parts:
                self.names_with.setdefault(part, set()).add(parts)
        self.known: dict[str, bool] = {}  # a word -> whether it names anybody

    def words_in(self, text: str) -> frozenset[str]:
        """The words of a text that are a part of somebody's name, or parts of one name (doe, JaneDoe)."""
        words = set(re.findall(r"[^\W\d_]+", text.lower()))
        for word in words:
            if word not in self.known:
                self.known[word] = word in self.names_with or self._is_joined(word)
        return frozenset(word for word in words if self.known[word])

    def _is_joined(self, word: str, of: frozenset[frozenset[str]] | None = None) -> bool:
        """of: the names that have all parts before this rest of the word; None: there are none before."""
        for end in range(3, len(word) + 1):
            if names := self.names_with.get(word[:end]):
                left = frozenset(names if of is None else names & of)
                if left and (end == len(word) or self._is_joined(word[end:], left)):
                    return True
        return False


def patients_in(scans: Sequence[Scan]) -> Patients:
    """All whom a header names, of whatever file in a folder of DICOM files."""
    return Patients({name for scan in scans for name in (*scan.patients, *scan.around)})


def parts_in(scan: Scan) -> frozenset[str]:
    """The parts of the names in a scan's own headers."""
    return frozenset(part for name in scan.patients for part in parts_of(name))

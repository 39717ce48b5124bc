"""Every reader against made-up files: it reads them, or says in one line why not. Nothing else, and never a hang.

    python -m benchmarks.fuzz [--target NAME ...] [--seconds 120] [--seed 0] [--to FOLDER]

hypothesis makes the files: whole ones with bytes put in, left out or cut off, and structured ones with values of other
kinds. An answer that is none is an error of another type than the commands print as one line (shell.run), one that a
library raised, one without a word, or more than CALL seconds of this process. The smallest input of each target goes
to --to. Prints for each target the examples and what was found; exit 1 if anything was. tests/benchmarks/test_fuzz.py
runs a few examples of each, always the same.
"""

import argparse
import contextlib
import io
import json
import logging
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import strategies as st

REPO = Path(__file__).parents[1]
ERRORS = (ValueError, OSError, MemoryError)  # of which shell.run makes one line
CALL = 10.0  # seconds of the processor that one input may take

Made = tuple[str, bytes]  # a file's ending, its bytes
Reader = Callable[[Path], object]  # reads the file


@dataclass(frozen=True)
class Target:
    """What is made, and who reads it. setup(folder) -> strategy, reader; the file lies at `name` in the folder."""

    name: str
    setup: Callable[[Path], tuple[st.SearchStrategy[Made], Reader]]


class Found(AssertionError):
    """An answer that is none."""


class Hang(BaseException):
    """No answer in time."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, CALL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def ask(reader: Reader, path: Path) -> str:
    """ "read", or "refused". Raises Found for any other answer."""
    try:
        with limited(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            reader(path)
    except Hang:
        raise Found(f"no answer in {CALL:g} s") from None
    except ERRORS as error:
        where = traceback.extract_tb(error.__traceback__)[-1].filename
        if not Path(where).is_relative_to(REPO):
            raise Found(f"{type(error).__name__} of {Path(where).name}: {error}") from error
        if not str(error).strip():
            raise Found(f"a {type(error).__name__} without a word") from error
        return "refused"
    except Exception as error:
        raise Found(f"{type(error).__name__}: {error}") from error
    return "read"


# ------------------------------------------------------------------------------------------------------ what is made

NUMBERS = [struct.pack("<" + kind, value) for kind, values in (
    ("h", (-1, 0, 1, 8, 255, 32767)), ("i", (-1, 0, 1, 348, 2**31 - 1)), ("Q", (0, 2**31, 2**63)),
    ("f", (-1.0, 0.0, 1.0, 1e30, float("inf"), float("nan"))),
) for value in values]  # fmt: skip
CELLS = ["", " ", "n/a", "nan", "CN", "AD", "mci", "train", "test", "1", "-1", "0.5", "1e999", "p1", "p2", "sub-01",
         "../x", "/", "a/b", "a\\b", "\0", "=1+1", "'", '"', '""', "\n", "é", "2005-01-02", "13/02/2005",
         "x" * 200]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-2, 300) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def edited(draw: st.DrawFn, base: bytes, head: int = 400, tokens: Sequence[bytes] = ()) -> bytes:
    """A whole file with up to five bytes or words put over, put in, left out or cut off; mostly in its first bytes."""
    content = bytearray(base)
    words = st.sampled_from([*NUMBERS, *tokens]) | st.binary(min_size=1, max_size=4)
    for _ in range(draw(st.integers(1, 5))):
        last = max(0, len(content) - 1)
        place = draw(st.integers(0, min(head, last)) | st.integers(0, last))
        how, word = draw(st.sampled_from(("over", "over", "in", "out", "cut"))), draw(words)
        if how == "over":
            content[place : place + len(word)] = word
        elif how == "in":
            content[place:place] = word
        elif how == "out":
            del content[place : place + draw(st.integers(1, 64))]
        elif draw(st.booleans()):
            del content[place:]
    return bytes(content)


def table(columns: Mapping[str, Sequence[str]], delimiter: str) -> st.SearchStrategy[bytes]:
    """A table with some of these columns, mostly of their own cells; quoted as it should be, or not at all."""
    other = st.sampled_from(CELLS) | st.text(max_size=6)

    @st.composite
    def made(draw: st.DrawFn) -> bytes:
        names = draw(st.just(list(columns)) | st.lists(st.sampled_from(list(columns)), min_size=1))
        wild = draw(st.integers(0, 3))  # of ten cells
        cell = {name: st.sampled_from(own or CELLS) for name, own in columns.items()}
        lines = [names]
        for _ in range(draw(st.integers(0, 5))):
            lines.append([draw(other if draw(st.integers(1, 10)) <= wild else cell[name]) for name in names])
        if draw(st.integers(0, 9)) == 0:
            lines[-1] = draw(st.lists(other, max_size=len(names) + 1))
        quote = (lambda text: '"' + text.replace('"', '""') + '"') if draw(st.booleans()) else str
        return "\n".join(delimiter.join(map(quote, line)) for line in lines).encode(errors="surrogatepass")

    return made()


def ending(suffix: str, strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[Made]:
    return strategy.map(lambda content: (suffix, content))


# --------------------------------------------------------------------------------------------------------- the targets


def config(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    import yaml

    from progan_style.config import DEFAULT_CONFIG, load_config
    from progan_style.sections import known_keys

    def tree(values: dict[str, Any]) -> bytes:
        nested: dict[str, Any] = {}
        for key, value in values.items():
            section, _, name = key.partition(".")
            where = nested.setdefault(section, {}) if name else nested
            if isinstance(where, dict):
                where[name or section] = value
        return yaml.safe_dump(nested, allow_unicode=True).encode(errors="surrogatepass")

    tokens = [b": ", b"- ", b"&a ", b"*a", b"!!python/name:os ", b"{", b"[", b"\t", b"<<: ", b"? ", b"'", b"| ", b"#"]
    keys = st.sampled_from(sorted(known_keys())) | st.text(max_size=10)
    mappings = st.dictionaries(keys, VALUES, min_size=1, max_size=4).map(tree)
    texts = edited(DEFAULT_CONFIG.read_bytes(), 6000, tokens) | st.lists(st.sampled_from(tokens)).map(b"".join)

    def read(path: Path) -> None:
        load_config(overlay=path)
        load_config(path)

    return ending(".yaml", mappings | texts), read


def setting(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    from progan_style.config import load_config
    from progan_style.sections import known_keys

    keys = st.sampled_from([*sorted(known_keys()), "schedule.lr_g.8", "data.aliases.x", "loss", "a.b.c"])
    values = VALUES.map(json.dumps) | st.text("[]{}:,*&!#'\"-? ab1\n\0.", max_size=12)
    text = st.tuples(keys, st.sampled_from(("=", "=", ".x=", "")), values).map("".join)
    return ending("", text.map(lambda t: t.encode(errors="surrogatepass"))), lambda path: load_config(
        overrides=[path.read_bytes().decode(errors="replace")]
    )


def manifest(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    import numpy as np
    from PIL import Image

    from progan_style.data.folder import read_folder
    from progan_style.scans.slices import open_slices

    root = folder / "data"
    for k, name in enumerate(("train/CN/a_1.png", "train/AD/b_1.png", "test/CN/c_1.png", "test/AD/d_1.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 40 * k, np.uint8)).save(root / name)
    paths = [path.relative_to(root).as_posix() for path in root.glob("*/*/*.png")]
    columns = {"path": paths, "label": ["", "CN", "AD"], "subject": ["p1", "p2", ""], "split": ["", "train"],
               "session": ["1", "2"], "slice_mm": ["1.5", "-3"], "guessed_subject": ["p1"], "=x": ["=1"]}  # fmt: skip
    whole = "\n".join(["path,label,subject,split", *(f"{p},{p.split('/')[1]},s{k},{p.split('/')[0]}"
                                                     for k, p in enumerate(paths))]).encode()  # fmt: skip

    def read(path: Path) -> None:
        (root / "manifest.csv").write_bytes(path.read_bytes())
        open_slices(root)
        read_folder(str(root), ("CN", "AD"), {}, "subject")

    return ending(".csv", table(columns, ",") | edited(whole, tokens=[b",", b'"', b"\n"])), read


def sheet(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    from progan_style.data.classes import alias_table
    from progan_style.scans.participants import COLUMNS, describe, read_sheet

    cells = {"subject": ["p1", "p2", "sub-01", "OAS1_0001_MR1", "002_S_0295"], "group": ["CN", "AD", "MCI", "", "1"],
             "session": ["1", "bl", "m06", ""], "date": ["2005-01-02", "13/02/2005", "1/2/2005"], "age": ["63.5"],
             "path": ["a/b.nii", "sub-01/ses-1/x.nii", ""], "sex": ["F", ""], "image": ["1", "I2", ""]}  # fmt: skip
    columns = {names[0]: cells.get(name, []) for name, names in COLUMNS.items()} | {"CDR": ["0", "0.5"], "name": []}
    aliases = alias_table(())
    made = st.sampled_from(("\t", ",", ";")).flatmap(lambda delimiter: table(columns, delimiter))
    return ending(".csv", made), lambda path: describe(read_sheet(path, aliases))


def picture(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    import numpy as np
    from PIL import Image

    from progan_style.data.gray import pad_square, read_gray, resize

    made = []
    gray = np.arange(192, dtype=np.uint8).reshape(12, 16)
    for kind, options in (("PNG", {}), ("JPEG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {})):
        for image in (Image.fromarray(gray), Image.fromarray(gray).convert("P"), Image.fromarray(gray).convert("RGBA")):
            if kind == "JPEG" and image.mode != "L":
                continue
            file = io.BytesIO()
            image.save(file, kind, **options)
            made.append(edited(file.getvalue(), tokens=[b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"IEND", b"\xff\xd9"]))
    file = io.BytesIO()
    Image.fromarray(gray.astype(np.uint16) * 257).save(file, "PNG")
    made.append(edited(file.getvalue()))
    return ending(".png", st.one_of(made)), lambda path: resize(pad_square(read_gray(str(path)), 0), 8)


def nifti(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    import nibabel as nib
    import numpy as np

    from progan_style.scans.volumes import read_volume, refuse_labels

    voxels = np.random.default_rng(0).integers(0, 900, (6, 7, 5), dtype=np.int16)
    made = []
    for kind, suffix in ((nib.Nifti1Image, ".nii"), (nib.Nifti2Image, ".nii"), (nib.MGHImage, ".mgh")):
        content = kind(voxels.astype(np.float32 if suffix == ".mgh" else np.int16), np.diag([2, 2, 3, 1])).to_bytes()
        made.append(ending(suffix, edited(content, 352)))
    import gzip

    packed = nib.Nifti1Image(voxels, np.eye(4)).to_bytes()
    made.append(ending(".nii.gz", edited(packed, 352).map(lambda content: gzip.compress(content, 1, mtime=0))))
    made.append(ending(".nii.gz", edited(gzip.compress(packed, 1, mtime=0))))
    return st.one_of(made), lambda path: refuse_labels(read_volume(path).data)


def dicom(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

    from progan_style.scans import dicom as reader

    def slice_of(k: int) -> bytes:
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = UID(f"1.2.{k + 1}")
        header.SeriesInstanceUID, header.PatientID, header.PatientName, header.Modality = "1.2.3", "4711", "A^B", "MR"
        header.Rows, header.Columns, header.SamplesPerPixel, header.PixelRepresentation = 6, 5, 1, 0
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.PhotometricInterpretation, header.PixelSpacing = "MONOCHROME2", [2, 2]
        header.ImageOrientationPatient, header.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3 * k]
        header.PixelData = np.random.default_rng(k).integers(0, 900, (6, 5), dtype=np.uint16).tobytes()
        file = io.BytesIO()
        header.save_as(file, enforce_file_format=True)
        return file.getvalue()

    series = folder / "series"
    series.mkdir()
    for k in (1, 2):
        (series / f"{k}.dcm").write_bytes(slice_of(k))

    def read(path: Path) -> None:
        (series / "0.dcm").write_bytes(path.read_bytes())
        reader.read_folder(series)
        reader.patient(series)
        reader.read_series(series)

    tokens = [b"SQ", b"OW", b"UN", b"US", b"UL", b"1.2.840.10008.1.2.4.50\0", b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0"]
    return ending(".dcm", edited(slice_of(0), 900, tokens)), read


def checkpoint(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    """A run's own state, loaded; and another's, to begin with (--init)."""
    import torch

    from progan_style import Trainer, load_config
    from progan_style.checkpoint import FORMAT, load_run
    from progan_style.config import parse_config, refuse_changes
    from progan_style.training.upkeep import Upkeep

    trainer = Trainer(load_config(overrides=TINY), no_slices())
    upkeep = Upkeep(trainer.state, trainer.schedule, folder, {"names": "x"}, "fp32")
    whole = {"format": FORMAT, **upkeep._state_dict()}
    warnings.simplefilter("ignore", hypothesis.errors.HypothesisWarning)  # that a checkpoint is long to show

    def saved(state: dict[str, Any]) -> bytes:
        file = io.BytesIO()
        torch.save(state, file)
        return file.getvalue()

    inner = {"config": ("network", "schedule", "data", "seed"), "watchdog": ("gradients", "good", "rollbacks"),
             "G": ("const",), "opt_G": ("const", "state"), "data": ("names",)}  # fmt: skip

    @st.composite
    def changed(draw: st.DrawFn) -> bytes:
        state = dict(whole)
        for name in draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=3)):
            value = draw(VALUES | st.just(torch.zeros(2)))
            if name in inner and draw(st.booleans()) and isinstance(state.get(name), dict):
                state[name] = {**state[name], draw(st.sampled_from(inner[name])): value}
            elif draw(st.integers(0, 3)):
                state[name] = value
            else:
                state.pop(name, None)
        return saved(state)

    def read(path: Path) -> None:
        state = load_run(path)
        with contextlib.suppress(ValueError):
            refuse_changes(parse_config(state["config"], path.name), trainer.config, path, state["nimg"])
        with contextlib.suppress(ValueError):
            upkeep._take(state)
        trainer.state.start_from(path)

    return ending(".pt", changed() | edited(saved(whole), 2000)), read


TINY = ["network.z_dim=4", "network.w_dim=4", "network.mapping_depth=1", "network.channel_base=32",
        "network.channel_max=4", "schedule.resolutions=[8]", "augment.name=ada", "training.precision=fp32"]  # fmt: skip


def no_slices() -> Any:
    """A trainer whose state is loaded takes none."""
    import numpy as np

    from progan_style import Dataset

    empty = np.zeros((0, 1, 16, 16), np.uint8)
    return Dataset({8: empty[:, :, :8, :8], 16: empty}, np.zeros(0, np.int64), np.zeros(0, "<U1"), ("CN", "AD"))


def network(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    from safetensors import safe_open
    from safetensors.torch import save

    from progan_style import Trainer, load_config
    from progan_style.checkpoint import load_network, save_network

    state = Trainer(load_config(overrides=TINY), no_slices()).state
    whole = folder / "whole.safetensors"
    save_network(whole, state.G_ema, state.header("generator", 8))
    with safe_open(whole, framework="pt") as file:
        header, tensors = json.loads(file.metadata()["progan_style"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    header.pop("sha256")

    @st.composite
    def changed(draw: st.DrawFn) -> bytes:
        mine: dict[str, Any] = {**header, "arguments": dict(header["arguments"])}
        for name in draw(st.lists(st.sampled_from(sorted(header)), min_size=1, max_size=3)):
            if name == "arguments" and draw(st.booleans()):
                mine["arguments"] = {
                    **header["arguments"],
                    draw(st.sampled_from(sorted(header["arguments"]))): draw(VALUES),
                }
            elif draw(st.integers(0, 3)):
                mine[name] = draw(VALUES)
            else:
                mine.pop(name, None)
        about = draw(st.just(json.dumps(mine)) | VALUES.map(json.dumps) | st.text(max_size=20))
        return save(tensors, metadata={"progan_style": about})

    made = changed() | edited(whole.read_bytes(), 1500)
    return ending(".safetensors", made), lambda path: load_network(path, "generator")


def log(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    from progan_style.training.runlog import loss_points, read_log, refuse_foreign

    line = {"nimg": 8, "resolution": 8, "alpha": 1.0, "loss_d": 1.0, "loss_g": 1.0}
    names = st.sampled_from([*line, "kid"])
    lines = st.dictionaries(names, VALUES, max_size=4).map(lambda other: json.dumps({**line, **other})) | st.text(
        max_size=9
    )
    text = st.lists(lines, max_size=6).map(lambda found: "\n".join(found).encode(errors="surrogatepass"))
    whole = "\n".join(json.dumps({**line, "nimg": 8 * k}) for k in range(6)).encode()

    def read(path: Path) -> None:
        run = folder / "run"
        run.mkdir(exist_ok=True)
        (run / "log.jsonl").write_bytes(path.read_bytes())
        refuse_foreign(run)
        found = read_log(run)
        if any(not isinstance(one["nimg"], int) for one in found):
            raise Found(f"no image count: {found}")
        loss_points(found)
        [json.dumps(one) for one in found]

    return ending(".jsonl", text | edited(whole, tokens=[b"{", b"}", b"[", b"null", b"\n", b"1e999", b"NaN"])), read


def cache(folder: Path) -> tuple[st.SearchStrategy[Made], Reader]:
    """A cache that is damaged is made anew: whatever lies in it, the slices are those of the folder."""
    import shutil

    import numpy as np
    from PIL import Image

    from progan_style.data.loading import load_folder

    root, place = folder / "slices", folder / "cache"
    for k, name in enumerate(("train/CN/a_1.png", "train/AD/b_1.png")):
        (root / name).parent.mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 90 * k + 7, np.uint8)).save(root / name)

    def load() -> Any:
        return load_folder(root, resolution=8, cache_dir=place, progress=False, workers=1)

    right = load().train.at(8).copy()
    (whole,) = place.iterdir()
    shutil.copytree(whole, folder / "whole")
    index = json.loads((whole / "index.json").read_text())
    names = st.sampled_from([*index, "x"])
    changed = st.dictionaries(names, VALUES, max_size=2).map(lambda other: json.dumps({**index, **other}).encode())
    files = {name: (whole / name).read_bytes() for name in ("level-008.npy", "means.npy", "index.json")}
    made = st.one_of(
        ending("index.json", changed | VALUES.map(lambda value: json.dumps(value).encode())),
        *(ending(name, edited(content, 90)) for name, content in files.items()),
    )

    def read(path: Path) -> None:
        shutil.rmtree(whole)
        shutil.copytree(folder / "whole", whole)
        (whole / path.name.removeprefix("made")).write_bytes(path.read_bytes())
        data = load()
        if (data.train.at(8).shape, data.train.at(8).dtype) != (right.shape, right.dtype):
            raise Found(f"slices of {data.train.at(8).shape}, {data.train.at(8).dtype}")
        data.summary()

    return made, read


TARGETS = {
    setup.__name__: Target(setup.__name__, setup)
    for setup in (config, setting, manifest, sheet, picture, nifti, dicom, checkpoint, network, log, cache)
}

# ---------------------------------------------------------------------------------------------------------- the search


@dataclass
class Outcome:
    """read, refused: examples; wrong: what the smallest input that was found was answered; made: that input."""

    read: int = 0
    refused: int = 0
    wrong: str = ""
    made: Made | None = None


@contextlib.contextmanager
def without_logs() -> Iterator[None]:
    """nibabel has a word on each header that it mends."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@without_logs()
def search(target: Target, folder: Path, examples: int, seed: int | None = None, seconds: float = 0.0) -> Outcome:
    """seed: None for the examples that are always the same. seconds: of the processor, until which more are made."""
    strategy, reader = target.setup(folder)
    outcome, end = Outcome(), time.process_time() + seconds

    def one(made: Made) -> None:
        path = folder / f"made{made[0]}"
        path.write_bytes(made[1])
        try:
            answer = ask(reader, path)
        except Found as found:
            outcome.wrong, outcome.made = " ".join(str(found).split()), made
            raise
        outcome.read += answer == "read"
        outcome.refused += answer == "refused"

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
        report_multiple_bugs=False,
    )
    while not outcome.wrong:
        test = settings(hypothesis.given(strategy)(one))
        with contextlib.suppress(Found, hypothesis.errors.Flaky):
            (test if seed is None else hypothesis.seed(seed)(test))()
        if seed is None or time.process_time() > end:
            break
        seed += 1
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    p.add_argument("--target", nargs="+", choices=tuple(TARGETS), default=list(TARGETS), metavar="NAME")
    p.add_argument(
        "--seconds", type=float, default=120, metavar="S", help="of the processor, each (default: %(default)s)"
    )
    p.add_argument("--seed", type=int, default=0, metavar="S")
    p.add_argument("--to", type=Path, metavar="FOLDER", help="the smallest input of each target that found something")
    args = p.parse_args(argv)
    bad = 0
    for name in args.target:
        with tempfile.TemporaryDirectory() as folder:
            found = search(TARGETS[name], Path(folder), 100, args.seed, args.seconds)
        bad += bool(found.wrong)
        print(f"{name:10} {found.read:7} read  {found.refused:7} refused  {found.wrong or 'nothing found'}", flush=True)
        if args.to and found.made:
            args.to.mkdir(parents=True, exist_ok=True)
            (args.to / f"{name}{found.made[0]}").write_bytes(found.made[1])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

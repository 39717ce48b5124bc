"""YAML, overlay and overrides -> one frozen Config that refuses unknown, missing and impossible values by key."""

import difflib
import inspect
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from progan_style.files import write_whole
from progan_style.schedule import GrowthSchedule

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "hyperparameters.yaml"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


class PhantomConfig(Section):
    persons: int = Field(ge=20)
    slices: int = Field(ge=1)
    seed: int = Field(ge=0)
    overlap: Literal["apart", "clear", "real"]
    pattern: Literal["ventricular", "frontal"]


class DataConfig(Section):
    root: str | None
    classes: tuple[str, ...] = Field(min_length=1)
    aliases: dict[str, str]
    subject_column: str
    position_column: str | None
    allow_upsampling: bool
    skip_unreadable: bool
    sampling: Literal["natural", "balanced"]
    cache: str
    phantom: PhantomConfig

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({v.casefold() for v in value}) < len(value):
            raise ValueError("the same class twice")
        return value


class NetworkConfig(Section):
    name: str
    z_dim: int = Field(ge=1, le=8192)
    w_dim: int = Field(ge=1, le=8192)
    mapping_depth: int = Field(ge=1, le=64)
    mapping_lr_mul: float = Field(gt=0)
    channel_base: int = Field(ge=16, le=2**20)
    channel_max: int = Field(ge=1, le=8192)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        from progan_style.networks import ARCHITECTURES  # here: it loads torch

        return _one_of(value, tuple(ARCHITECTURES))


class LossConfig(Section):
    name: str
    penalty_interval: int = Field(ge=1)
    path_length: float = Field(ge=0)
    path_length_interval: int = Field(ge=1)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        from progan_style.losses import LOSSES

        return _one_of(value, tuple(LOSSES))


class ConditioningConfig(Section):
    name: str
    class_weight: float | None = Field(ge=0)
    generator_weight: float | None = Field(ge=0)

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        from progan_style.conditioning import CONDITIONINGS

        return _one_of(value, tuple(CONDITIONINGS))

    @model_validator(mode="after")
    def _own(self) -> "ConditioningConfig":
        if self.name == "projection" and self.generator_weight is not None:
            raise ValueError(
                "generator_weight: projection has no class term in G's loss; set it to null, or conditioning.name to "
                "auxiliary"
            )
        return self


class AugmentConfig(Section):
    name: str
    p: float | None = Field(ge=0, le=1)
    target: float | None = Field(gt=0, lt=1)
    half_time_kimg: float | None = Field(gt=0)
    operations: dict[str, float]

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        from progan_style.augment import STRENGTHS

        return _one_of(value, tuple(STRENGTHS))

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, tree: Any) -> Any:
        """null becomes the default of the chosen name, so that a run's config.yaml says what it ran with."""
        from progan_style.augment import STRENGTHS, arguments_of

        if not isinstance(tree, dict) or str(tree.get("name")) not in STRENGTHS:
            return tree
        own = {k: v for k, v in arguments_of(tree["name"]).items() if v is not inspect.Parameter.empty}
        return tree | {k: v for k, v in own.items() if k in tree and tree[k] is None}

    @model_validator(mode="after")
    def _arguments(self) -> "AugmentConfig":
        from progan_style.augment import AUGMENTS, STRENGTHS, arguments_of

        for key in sorted({key for name in STRENGTHS for key in arguments_of(name)}):
            given, owner = getattr(self, key), next(name for name in STRENGTHS if key in arguments_of(name))
            if key in arguments_of(self.name) and given is None:
                raise ValueError(f"{key}: augment.name {self.name} needs a number, got null")
            if key not in arguments_of(self.name) and given is not None:
                raise ValueError(f"{key}: belongs to augment.name {owner}, got it with {self.name}; set it to null")
        for name in (name for name in AUGMENTS if name not in self.operations):
            raise ValueError(f"operations.{name}: the row is missing; 0 turns the operation off")
        for name, value in self.operations.items():
            if name not in AUGMENTS:
                raise ValueError(f"operations: expected one of {', '.join(AUGMENTS)}, got {name}")
            if not 0 <= value <= AUGMENTS[name].most:
                raise ValueError(
                    f"operations.{name}: expected 0 to {AUGMENTS[name].most:g} ({AUGMENTS[name].unit}), got {value:g}"
                )
        return self


class ScheduleConfig(Section):
    resolutions: tuple[int, ...] = Field(min_length=1)
    fade_kimg: dict[int, float]
    hold_kimg: dict[int, float]
    batch_size: dict[int, int]
    lr_g: dict[int, float]
    lr_d: dict[int, float]
    r1_gamma: dict[int, float]
    label_kimg: tuple[float, float] | None

    @field_validator("label_kimg")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError(f"expected two points in kimg, the second after the first, or null, got {list(value)}")
        return value

    @field_validator("resolutions")
    @classmethod
    def _powers(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for r in value:
            if r < 8 or r > 1024 or r & (r - 1):
                raise ValueError(f"expected powers of two from 8 to 1024, got {r}")
        if any(b != 2 * a for a, b in pairwise(value)):
            raise ValueError(f"each resolution must be twice the one before, got {list(value)}")
        return value

    @model_validator(mode="after")
    def _rows(self) -> "ScheduleConfig":
        limits = {"fade_kimg": 0.0, "hold_kimg": 0.0, "r1_gamma": 0.0, "lr_g": 1e-12, "lr_d": 1e-12, "batch_size": 4}
        for table, least in limits.items():
            rows = getattr(self, table)
            for r in self.resolutions:
                if r not in rows:
                    raise ValueError(f"{table}.{r}: the row for stage {r} is missing")
            for r, value in rows.items():
                if value < least:
                    expected = {"batch_size": "4 or more", "lr_g": "more than 0", "lr_d": "more than 0"}
                    raise ValueError(f"{table}.{r}: expected {expected.get(table, '0 or more')}, got {value}")
                if table == "batch_size" and value % 4:
                    raise ValueError(f"batch_size.{r}: expected a multiple of 4 (minibatch-std groups), got {value}")
        if self.label_kimg and 1000 * self.label_kimg[1] > (end := GrowthSchedule(**self.model_dump()).total):
            raise ValueError(
                f"label_kimg: expected an end within the run's {end / 1000:g} kimg, got {self.label_kimg[1]:g}"
            )
        return self


Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingConfig(Section):
    adam_betas: tuple[Beta, Beta]
    ema_half_life_kimg: float = Field(gt=0)
    ema_rampup: float = Field(gt=0)
    style_mixing: float = Field(ge=0, le=1)
    precision: Literal["auto", "bf16", "fp32"]
    compile: bool
    log_kimg: float = Field(gt=0)
    grid_kimg: float = Field(gt=0)
    checkpoint_kimg: float = Field(gt=0)
    eval_kimg: float | None = Field(gt=0)
    eval_samples: int = Field(ge=8)
    on_divergence: Literal["stop", "rollback"]


class Config(Section):
    seed: int = Field(ge=0, lt=2**40)
    threads: int | None = Field(ge=1)
    init: str | None
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    conditioning: ConditioningConfig
    augment: AugmentConfig
    schedule: ScheduleConfig
    training: TrainingConfig

    @model_validator(mode="after")
    def _suits_the_architecture(self) -> "Config":
        from progan_style.networks import ARCHITECTURES

        name, architecture = self.network.name, ARCHITECTURES[self.network.name]
        stages = self.schedule.resolutions
        if not architecture.GROWS and len(stages) > 1:
            raise ValueError(
                f"schedule.resolutions: {name} does not grow; expected one resolution, as in "
                f"schedule.resolutions: [{stages[-1]}], got {list(stages)}"
            )
        if not architecture.TWICE_DIFFERENTIABLE and self.loss.path_length:
            able = ", ".join(key for key, value in ARCHITECTURES.items() if value.TWICE_DIFFERENTIABLE)
            raise ValueError(
                f"loss.path_length: {name} does not have it, its generator is differentiated once; expected 0, or "
                f"network.name {able}, got {self.loss.path_length}"
            )
        return self


def _one_of(value: str, names: Sequence[str]) -> str:
    if value not in names:
        raise ValueError(f"expected one of {', '.join(names)}, got {value}")
    return value


def load_config(
    path: str | Path | None = None, overlay: str | Path | None = None, overrides: Sequence[str] = ()
) -> Config:
    """The configuration of a run.

    path: a complete YAML file (default: hyperparameters.yaml); overlay: a YAML file with some of its keys;
    overrides: "schedule.fade_kimg.64=200", values in YAML.
    Raises ValueError (one line, every fault with its key) or FileNotFoundError.
    """
    path = Path(path or DEFAULT_CONFIG)
    tree = _read(path)
    name = path.name
    if overlay is not None:
        _merge(tree, _read(Path(overlay)), Path(overlay).name)
        name = Path(overlay).name
    for text in overrides:
        _override(tree, text)
    name += " with --set" if overrides else ""
    return parse_config(tree, name)


def parse_config(tree: dict[str, Any], name: str) -> Config:
    """A Config from plain Python; `name` begins the message of the ValueError."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ValueError(_one_line(error, name)) from None


def save_config(config: Config, path: str | Path) -> None:
    """Write the resolved configuration; load_config reads it back equal."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    if not Path(path).is_file() or Path(path).read_text(encoding="utf-8") != text:
        write_whole(Path(path), text.encode())


def differences(a: Config, b: Config) -> list[str]:
    """The dotted keys in which two configurations differ."""
    return sorted(k for k, v in _flat(a.model_dump()).items() if _flat(b.model_dump()).get(k) != v) + sorted(
        k for k in _flat(b.model_dump()) if k not in _flat(a.model_dump())
    )


# Keys that may change between the calls of one run: they decide what is shown and kept, not what is learnt.
FREE = {
    "threads",
    "data.cache",
    "training.compile",
    "training.log_kimg",
    "training.grid_kimg",
    "training.checkpoint_kimg",
    "training.eval_kimg",
    "training.eval_samples",
    "training.on_divergence",
}


# Keys that hold a path: the same one may be written otherwise.
PATHS = {"data.root", "init"}


def same_file(a: str | None, b: str | None) -> bool:
    """Whether two paths lead to the same file or folder, as `toy`, `toy/`, `./toy` and its absolute path do."""
    return a is not None and b is not None and os.path.realpath(a) == os.path.realpath(b)


def refuse_changes(before: Config, now: Config, where: str | Path, nimg: int) -> None:
    """Raises ValueError, naming the keys, if a run at `nimg` images would go on as if it had begun otherwise.

    Rates and gammas may change for stages that are not over, batch sizes and lengths for stages that have not begun:
    what is past stays what it was.
    """
    begun, over = set(), set()
    for stage in GrowthSchedule(**before.schedule.model_dump()).stages:
        begun |= {stage.resolution} if stage.start < nimg else set()
        over |= {stage.resolution} if stage.end <= nimg else set()

    def free(key: str) -> bool:
        section, _, row = key.rpartition(".")
        if section in ("schedule.lr_g", "schedule.lr_d", "schedule.r1_gamma"):
            return int(row) not in over
        if section in ("schedule.batch_size", "schedule.fade_kimg", "schedule.hold_kimg"):
            return int(row) not in begun
        if key in PATHS:
            return same_file(*(_flat(config.model_dump())[key] for config in (before, now)))
        return key in FREE

    if differ := [k for k in differences(before, now) if not free(k)]:
        raise ValueError(
            f"{where} holds a checkpoint of another configuration (different: {', '.join(differ)}); "
            f"go on without --config, --set and --data, or start a new run with --run"
        )


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration file")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected keys and values, got {type(tree).__name__}")
    return tree


# Tables that an overlay replaces whole: a class map that kept the old entries would be a surprise.
_WHOLE = {"data.aliases"}


def _merge(tree: dict, overlay: dict, where: str, prefix: str = "") -> None:
    for key, value in overlay.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(tree.get(key), dict) and dotted not in _WHOLE:
            _merge(tree[key], value, where, f"{dotted}.")
        else:
            tree[key] = value


def _override(tree: dict, text: str) -> None:
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise ValueError(f"--set {text}: expected KEY=VALUE, as in --set schedule.fade_kimg.64=200")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"--set {text}: the value is not YAML") from None
    keys: list[Any] = [int(k) if k.isdigit() else k for k in dotted.split(".")]
    node = tree
    for key in keys[:-1]:
        if not isinstance(node.get(key), dict):
            raise ValueError(f"--set: {dotted} is not known{_suggestion(dotted)}")
        node = node[key]
    # An old run's config.yaml or a table may lack the row, so only sections are checked here; pydantic does the rest.
    node[keys[-1]] = parsed


def _known_keys() -> list[str]:
    def walk(model: type[BaseModel], prefix: str) -> list[str]:
        out = []
        for name, field in model.model_fields.items():
            out.append(prefix + name)
            if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
                out += walk(field.annotation, f"{prefix}{name}.")
        return out

    return walk(Config, "")


def _suggestion(dotted: str) -> str:
    near = difflib.get_close_matches(dotted, _known_keys(), n=1, cutoff=0.6)
    if not near:  # the right name in the wrong section
        near = [k for k in _known_keys() if k.rpartition(".")[2] == dotted.rpartition(".")[2]][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _one_line(error: ValidationError, name: str) -> str:
    faults = []
    for e in error.errors():
        key = ".".join(str(p) for p in e["loc"] if p != "[key]")
        if e["type"] == "extra_forbidden":
            faults.append(f"{key} is not known{_suggestion(key)}")
        elif e["type"] == "missing":
            faults.append(f"{key} is missing")
        elif e["type"] == "value_error":
            message = str(e["ctx"]["error"])
            row = message.partition(":")[0].replace(".", "").replace("_", "").isalnum() and ": " in message
            inside = row and key in ("schedule", "conditioning", "augment")
            faults.append(f"{key}.{message}" if inside else f"{key}: {message}".removeprefix(": "))
        else:
            message = re.sub(r"^(Input|\w+) should (be|have) | after validation.*", "", e["msg"])
            got = e["input"] if not isinstance(e["input"], dict) else "a section"
            faults.append(f"{key}: expected {message}, got {got!r}")
    return f"{name}: " + "; ".join(faults)

"""The sections of a configuration as frozen pydantic models: which keys there are, and what each may be.

A section chosen by name (loss, conditioning, augment) carries the arguments of the class of that name beside the keys
that all names share. The class says what they are: a new loss with an argument needs no line here.
"""

import difflib
import inspect
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from progan_style.described import Kind, check_kinds
from progan_style.files import check_part
from progan_style.schedule_section import ScheduleConfig
from progan_style.section import FORMER, Place, Section, faults


class Chosen(Section):
    """A section whose `name` is a class of a registry, with that class's arguments beside the shared keys.

    An argument that is null counts as not given: it takes the class's default, which config.yaml then says.
    """

    model_config = ConfigDict(extra="allow")
    SECTION: ClassVar[str]

    name: str

    @classmethod
    @abstractmethod
    def registry(cls) -> Mapping[str, type]:
        """Imported when it is asked for: it loads torch."""

    @model_validator(mode="before")
    @classmethod
    def _own_arguments(cls, tree: Any, info: ValidationInfo) -> Any:
        if not isinstance(tree, dict) or not isinstance(tree.get("name"), str):
            return tree  # which the field refuses
        if tree["name"] not in cls.registry() and plugin_may_know(info):
            return tree
        name, section = str(_one_of(tree["name"], tuple(cls.registry()), f"{cls.SECTION}.name")), cls.SECTION
        shared = {key: value for key, value in tree.items() if key in cls.model_fields}
        given = {key: value for key, value in tree.items() if key not in cls.model_fields and value is not None}
        for key in given:
            owners = [other for other, kind in cls.registry().items() if key in arguments_of(kind).model_fields]
            if owners and name not in owners:
                whose = f"{section}.name {' and '.join(owners)}"
                raise ValueError(f"{section}.{key}: belongs to {whose}, got it with {name}; leave it out")
        try:
            own = arguments_of(cls.registry()[name]).model_validate(given)
        except ValidationError as error:
            raise ValueError("; ".join(faults(error, f"{section}.", suggestion))) from None
        return shared | own.model_dump()

    @property
    def arguments(self) -> dict[str, Any]:
        """The chosen class's own."""
        return dict(self.model_extra or {})

    def make(self) -> Any:
        """The chosen class with its arguments. Raises ValueError if it is of a plugin that is not loaded."""
        if self.name not in self.registry():
            raise ValueError(f"{self.SECTION}.name: {self.name} is of a plugin that is not loaded; see --plugin")
        return self.registry()[self.name](**self.arguments)


def plugin_may_know(info: ValidationInfo) -> bool:
    """Whether a name that is not known here may be of a plugin that is not loaded (config.parse_config)."""
    return bool(info.context and info.context["missing"])


@lru_cache
def arguments_of(kind: type) -> type[BaseModel]:
    """The arguments of a class as a model: names, types with their limits, defaults, all from its signature."""
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in inspect.signature(kind, eval_str=True).parameters.items()
    }
    return create_model(f"{kind.__name__}Arguments", __config__=Section.model_config, **fields)


class PhantomConfig(Section):
    persons: int = Field(ge=20)
    slices: int = Field(ge=1)
    seed: int = Field(ge=0)
    overlap: Literal["apart", "clear", "real"]
    pattern: Literal["ventricular", "frontal"]
    people: bool = False  # a run that was begun before there were ages has no such key
    years_older: float = Field(default=8.0, ge=0, le=30)

    @property
    def arguments(self) -> dict[str, Any]:
        """For make_phantoms; those of people only where there are any, so that folders without keep their names."""
        return self.model_dump(exclude=set() if self.people else {"people", "years_older"})


class DataConfig(Section):
    root: Place | None
    classes: tuple[str, ...] = Field(min_length=1)
    aliases: dict[str, str]
    subject_column: str
    unlabelled: bool = False  # a run that was begun before there were such slices has no such key
    conditions: Annotated[dict[str, Kind], AfterValidator(check_kinds)]
    allow_upsampling: bool
    skip_unreadable: bool
    sampling: Literal["natural", "balanced"]
    cache: Place
    phantom: PhantomConfig

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({v.casefold() for v in value}) < len(value):
            raise ValueError("the same class twice")
        return tuple(check_part(name, "class") for name in value)


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
    def _known(cls, value: str, info: ValidationInfo) -> str:
        from progan_style.networks import ARCHITECTURES  # here: it loads torch

        return value if plugin_may_know(info) else _one_of(value, tuple(ARCHITECTURES))


class LossConfig(Chosen):
    SECTION = "loss"

    penalty_interval: int = Field(ge=1)
    path_length: float = Field(ge=0)
    path_length_interval: int = Field(ge=1)

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        from progan_style.training.losses import LOSSES

        return LOSSES


class ConditioningConfig(Chosen):
    SECTION = "conditioning"

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        from progan_style.training.conditioning import CONDITIONINGS

        return CONDITIONINGS


class AugmentConfig(Chosen):
    SECTION = "augment"

    operations: dict[str, float]

    @classmethod
    def registry(cls) -> Mapping[str, type]:
        from progan_style.training.augment import STRENGTHS

        return STRENGTHS

    @field_validator("operations")
    @classmethod
    def _ranges(cls, rows: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        from progan_style.training.augment import AUGMENTS

        for name in (name for name, operation in AUGMENTS.items() if name not in rows and not operation.optional):
            raise ValueError(f"augment.operations.{name}: the row is missing; 0 turns the operation off")
        for name, value in rows.items():
            if name not in AUGMENTS and plugin_may_know(info):
                continue
            if name not in AUGMENTS:
                raise ValueError(f"augment.operations: expected one of {', '.join(AUGMENTS)}, got {name}")
            if not 0 <= value <= AUGMENTS[name].most:
                limits = f"0 to {AUGMENTS[name].most:g} ({AUGMENTS[name].unit})"
                raise ValueError(f"augment.operations.{name}: expected {limits}, got {value:g}")
        return rows


Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingConfig(Section):
    adam_betas: tuple[Beta, Beta]
    ema_half_life_kimg: float = Field(gt=0)
    ema_rampup: float = Field(gt=0)
    style_mixing: float = Field(ge=0, le=1)
    precision: Literal["auto", "bf16", "fp32"]
    compile: bool
    graphs: Literal["auto", "on", "off"]
    log_kimg: float = Field(gt=0)
    grid_kimg: float = Field(gt=0)
    checkpoint_kimg: float = Field(gt=0)
    eval_kimg: float | None = Field(gt=0)
    eval_samples: int = Field(ge=8)
    on_divergence: Literal["stop", "rollback"]

    @field_validator("graphs", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value  # YAML 1.1's on, off


class Config(Section):
    seed: int = Field(ge=0, lt=2**40)
    threads: int | None = Field(ge=1, le=4096)
    init: Place | None
    plugins: dict[str, str] = Field(default_factory=dict)  # file name -> digest: a record, which runs nothing
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    conditioning: ConditioningConfig
    augment: AugmentConfig
    schedule: ScheduleConfig
    training: TrainingConfig

    @field_validator("plugins", mode="before")
    @classmethod
    def _record(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("plugins: a configuration runs no code; name the file on the command line: --plugin FILE")
        return {check_part(name, "plugins:"): digest for name, digest in value.items()}

    @model_validator(mode="after")
    def _suits_the_architecture(self) -> "Config":
        from progan_style.networks import ARCHITECTURES

        name, architecture = self.network.name, ARCHITECTURES.get(self.network.name)
        if architecture and not architecture.TWICE_DIFFERENTIABLE and self.loss.path_length:
            able = ", ".join(key for key, value in ARCHITECTURES.items() if value.TWICE_DIFFERENTIABLE)
            raise ValueError(
                f"loss.path_length: {name} does not have it, its generator is differentiated once; expected 0, or "
                f"network.name {able}, got {self.loss.path_length}"
            )
        return self


def _one_of(value: str, names: Sequence[str], key: str = "") -> str:
    if value not in names:
        raise ValueError(f"{key}: ".removeprefix(": ") + f"expected one of {', '.join(names)}, got {value}")
    return value


# The sections that are chosen by name
CHOSEN: dict[str, type[Chosen]] = {kind.SECTION: kind for kind in (LossConfig, ConditioningConfig, AugmentConfig)}


# ---------------------------------------------------------------- faults, in words


def known_keys() -> list[str]:
    """The dotted keys of a configuration, with those that only some names of a section have."""

    def walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            yield prefix + name
            kind = field.annotation
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                yield from walk(kind, f"{prefix}{name}.")
        if issubclass(model, Chosen):
            for owner in model.registry().values():
                yield from (prefix + name for name in arguments_of(owner).model_fields)

    return list(dict.fromkeys(walk(Config, "")))


def suggestion(dotted: str) -> str:
    """The known key that is nearest to an unknown one, as the end of a message; "" if none is near."""
    if dotted in FORMER:
        return f"; now it is {FORMER[dotted]}"
    if dotted in known_keys():
        section, _, key = dotted.rpartition(".")
        return f" as one word; expected {section}: and below it, indented, {key}:"
    near = difflib.get_close_matches(dotted, known_keys(), n=1, cutoff=0.6)
    if not near:  # the right name in the wrong section
        near = [key for key in known_keys() if key.rpartition(".")[2] == dotted.rpartition(".")[2]][:1]
    return f"; did you mean {near[0]}?" if near else ""

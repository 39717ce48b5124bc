"""YAML, overlay and overrides -> one frozen Config that refuses unknown, missing and impossible values by key."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from progan_style import plugins
from progan_style.files import write_whole
from progan_style.section import faults
from progan_style.sections import CHOSEN, Config, suggestion
from progan_style.training.schedule import GrowthSchedule

HERE = Path(__file__).resolve().parent
# hyperparameters.yaml and configs/ lie at the top of a checkout; a build copies them into the package
SHIPPED = HERE if (HERE / "hyperparameters.yaml").is_file() else HERE.parent
DEFAULT_CONFIG = SHIPPED / "hyperparameters.yaml"


def find_overlay(name: str | Path) -> Path:
    """The file of that name, or, where there is none, the shipped overlay that it names: configs/cpu.yaml."""
    path = Path(name)
    shipped = SHIPPED / "configs" / path.name
    if not path.is_file() and path.parent.name in ("", "configs") and shipped.is_file():
        return shipped
    return path


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
    if path == DEFAULT_CONFIG:  # a new run's; that of a run says what it was begun with
        tree = {"plugins": plugins.plugin_digests()} | tree
    name = path.name
    if overlay is not None:
        _merge(tree, _read(Path(overlay)), Path(overlay).name)
        name = Path(overlay).name
    for text in sorted(
        overrides, key=lambda text: not text.startswith(tuple(f"{section}.name=" for section in CHOSEN))
    ):
        _override(tree, text)  # names first: a section's arguments are those of its name
    name += " with --set" if overrides else ""
    return parse_config(tree, name)


def parse_config(tree: dict[str, Any], name: str) -> Config:
    """A Config from plain Python; `name` begins the message of the ValueError.

    Names that are not known may be those of a plugin that it records and that is not loaded now: reading a
    configuration needs none.
    """
    recorded = tree["plugins"] if isinstance(tree.get("plugins"), dict) else ()
    try:
        return Config.model_validate(tree, context={"missing": plugins.missing(recorded)})
    except ValidationError as error:
        raise ValueError(f"{name}: " + "; ".join(faults(error, suggest=suggestion))) from None
    except UnicodeError:  # bytes of a file's name that are not UTF-8
        raise ValueError(f"{name}: a name in it is no text (UTF-8); rename that file or folder") from None


def config_text(config: Config) -> str:
    """The resolved configuration as YAML."""
    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def save_config(config: Config, path: str | Path) -> None:
    """Write the resolved configuration; load_config reads it back equal."""
    text = config_text(config)
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
    "training.precision",
    "data.root",  # where the slices lie; whether they are the same is told by their digest
    "data.cache",
    "data.allow_upsampling",  # levels above the pictures' own sizes alone differ
    "training.compile",
    "training.graphs",
    "training.log_kimg",
    "training.grid_kimg",
    "training.checkpoint_kimg",
    "training.eval_kimg",
    "training.eval_samples",
    "training.on_divergence",
}


def learns_otherwise(before: Config, now: Config) -> bool:
    """Whether the images from here on lead elsewhere than they would have; a stage held longer goes the same way."""
    kept = (*FREE, "init", "plugins.", "schedule.hold_kimg.")
    return any(not key.startswith(kept) for key in differences(before, now))


def same_file(a: str | None, b: str | None) -> bool:
    """Whether two paths lead to the same file or folder, as `toy`, `toy/`, `./toy` and its absolute path do."""
    return a is not None and b is not None and os.path.realpath(a) == os.path.realpath(b)


def refuse_changes(before: Config, now: Config, where: str | Path, nimg: int) -> None:
    """Raises ValueError, naming the keys, if a run at `nimg` images would go on as if it had begun otherwise.

    Rates and gammas may change for stages that are not over, batch sizes and lengths for stages that have not begun:
    what is past stays what it was. The stage that was trained last may be held longer, also when it is over.
    """
    stages = GrowthSchedule(**before.schedule.model_dump()).stages
    begun = [stage.resolution for stage in stages if stage.start < nimg]
    over = [stage.resolution for stage in stages if stage.end <= nimg]

    def longer(row: int) -> bool:
        return row == begun[-1] and GrowthSchedule(**now.schedule.model_dump()).stage_of(row).end >= nimg

    def free(key: str) -> bool:
        section, _, row = key.rpartition(".")
        if section in ("schedule.lr_g", "schedule.lr_d", "schedule.r1_gamma"):
            return int(row) not in over
        if section in ("schedule.batch_size", "schedule.fade_kimg", "schedule.hold_kimg"):
            return int(row) not in begun or (section == "schedule.hold_kimg" and longer(int(row)))
        if key == "init":
            return same_file(before.init, now.init)
        if key.startswith("plugins."):  # a plugin that has changed is told (plugins.refuse_missing)
            return list(before.plugins) == list(now.plugins)
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


LARGEST, DEEPEST = 2**20, 20  # bytes of a file; collections in collections


class Loader(yaml.SafeLoader):
    """YAML without what a configuration never has: aliases, keys that come twice, hundreds of nested brackets."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*NAME) are not read", problem_mark=mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} deep", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            raise yaml.MarkedYAMLError(problem=f"{twice[0]} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Plain Python. Raises YAMLError, or ValueError for what YAML lets pass and Python does not."""
    return yaml.load(text, Loader)


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes; expected a configuration of at most {LARGEST:,}")
    try:
        tree = parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected keys and values, got {type(tree).__name__}")
    return tree


# Tables that an overlay replaces whole: a class map that kept the old entries would be a surprise.
_WHOLE = {"data.aliases", "data.conditions"}


def _merge(tree: dict, overlay: dict, where: str, prefix: str = "") -> None:
    for key, value in overlay.items():
        dotted = f"{prefix}{key}"
        if key in CHOSEN and not prefix and isinstance(value, dict) and "name" in value:
            _choose(tree, key, value["name"])
        if isinstance(value, dict) and isinstance(tree.get(key), dict) and dotted not in _WHOLE:
            _merge(tree[key], value, where, f"{dotted}.")
        else:
            tree[key] = value


def _choose(tree: dict, section: str, name: Any) -> None:
    """Another name takes the arguments of the one before away."""
    node = tree.get(section)
    if isinstance(node, dict) and node.get("name") != name:
        shared = CHOSEN[section].model_fields
        tree[section] = {key: value for key, value in node.items() if key in shared} | {"name": name}


def _shown(text: str) -> str:
    """What somebody typed, in one line."""
    return text if text.isprintable() else repr(text)


def _override(tree: dict, text: str) -> None:
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise ValueError(f"--set {_shown(text)}: expected KEY=VALUE, as in --set schedule.fade_kimg.64=200")
    try:
        parsed = parse_yaml(value)
    except (yaml.YAMLError, ValueError):
        raise ValueError(f"--set {_shown(text)}: the value is not YAML") from None
    if dotted in CHOSEN and isinstance(parsed, dict):
        return _merge(tree, {dotted: parsed}, "--set")
    if dotted.endswith(".name") and dotted.removesuffix(".name") in CHOSEN:
        _choose(tree, dotted.removesuffix(".name"), parsed)
    keys: list[Any] = [int(k) if k.isdigit() else k for k in dotted.split(".")]
    node = tree
    for key in keys[:-1]:
        if not isinstance(node.get(key), dict):
            raise ValueError(f"--set: {_shown(dotted)} is not known{suggestion(dotted)}")
        node = node[key]
    # An old run's config.yaml or a table may lack the row, so only sections are checked here; pydantic does the rest.
    node[keys[-1]] = parsed

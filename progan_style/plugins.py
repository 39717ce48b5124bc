"""Own losses, augmentations and architectures from a Python file that the user names: `--plugin FILE`.

A plugin is code, and runs with the rights of whoever named it. So only a command line or a caller names one: the
config.yaml of a run and the file of a network keep the name of a plugin, and never make it run.

A part is checked when it is registered, against what the program will ask of it, on numbers of a few pixels: a fault is
then one line before anything is read or written, not a traceback an hour later.
"""

import argparse
import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from progan_style.files import check_part

if TYPE_CHECKING:  # they load torch, for which a command's --help does not wait
    from progan_style.networks.contract import Discriminator, Generator
    from progan_style.training.augment import Operation
    from progan_style.training.losses import Loss

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # of a part: it becomes a value, or a key, of a configuration

L = TypeVar("L", bound="type[Loss]")


@dataclass
class Plugin:
    """A file that was run: its name, the first digits of its SHA-256, and the registries that it added to."""

    name: str
    path: Path
    digest: str
    adds: list[tuple[MutableMapping[str, Any], str, str]] = field(default_factory=list)  # registry, kind, name


LOADED: dict[str, Plugin] = {}  # by the name of the file
_running: list[Plugin] = []  # the one that is being loaded


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plugin",
        metavar="FILE",
        action="append",
        default=[],
        help="a Python file of yours with a loss, an augmentation, an architecture or a feature source; it is run "
        "(docs/plugins.md); repeatable",
    )


def load_plugin(path: str | Path) -> Plugin:
    """Run a file that registers parts of its own (docs/plugins.md), once; again where it has changed.

    Raises FileNotFoundError or ValueError, in one line with the file's own line, if it does not run, or registers what
    the program cannot use; nothing of it is then registered.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".py":
        kind = FileNotFoundError if not path.exists() else ValueError
        raise kind(f"--plugin {path}: {'no such file' if not path.exists() else 'expected a file NAME.py'}")
    source, name = path.read_bytes(), check_part(path.name, "--plugin")
    plugin = Plugin(name, path.resolve(), hashlib.sha256(source).hexdigest()[:16])
    if before := LOADED.get(name):
        if before.path != plugin.path:
            raise ValueError(f"--plugin {path}: another plugin has this name already: {before.path}; rename one")
        if before.digest == plugin.digest:
            return before
        unload(name)
    module = ModuleType(f"progan_style_plugin_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look for their module there
    LOADED[name] = plugin
    _running.append(plugin)
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
        if not plugin.adds:
            raise ValueError("it registers nothing; expected register_loss, register_augmentation or the like")
    except (Exception, SystemExit) as error:
        unload(name)
        raise ValueError(f"--plugin {path}{_line_of(error, path)}: {_in_words(error)}") from None
    finally:
        _running.pop()
    return plugin


def load_plugins(paths: Iterable[str | Path]) -> dict[str, str]:
    """Run the files in their order -> their names and digests, as a configuration keeps them."""
    return {plugin.name: plugin.digest for plugin in [load_plugin(path) for path in paths]}


def unload(name: str) -> None:
    """Take what a plugin registered out again."""
    plugin = LOADED.pop(name)
    for registry, _, part in plugin.adds:
        registry.pop(part, None)


def plugin_digests() -> dict[str, str]:
    """The loaded plugins: names and digests."""
    return {name: plugin.digest for name, plugin in LOADED.items()}


def missing(recorded: Iterable[str]) -> list[str]:
    """Of the plugins that a configuration names, those that are not loaded."""
    return [name for name in recorded if name not in LOADED]


def refuse_missing(recorded: Mapping[str, str], where: str | Path) -> list[str]:
    """Raises ValueError for plugins that are not loaded; returns a line for each that is not what it was."""
    if names := missing(recorded):
        raise ValueError(
            f"{where}: was trained with {'the plugin' if len(names) == 1 else 'the plugins'} {', '.join(names)}; name "
            f"the same again: {' '.join(f'--plugin {name}' for name in names)}"
        )
    changed = [name for name, digest in recorded.items() if LOADED[name].digest != digest]
    return [f"note: the plugin {name} is not what it was when {where} was written" for name in changed]


def origin(kind: str, part: str) -> str | None:
    """The plugin that a part of this kind and name came from; None for one of our own."""
    owners = [plugin.name for plugin in LOADED.values() for _, k, name in plugin.adds if (k, name) == (kind, part)]
    return owners[0] if owners else None


def _line_of(error: BaseException, path: Path) -> str:
    """The line of the plugin that an error came from, as the end of a place."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    for one in (error.__cause__, error):  # what failed on a trial, then where it was registered
        frames = traceback.extract_tb(one.__traceback__) if one else []
        if lines := [frame.lineno for frame in frames if frame.filename == str(path)]:
            return f", line {lines[-1]}"
    return ""


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")


# ---------------------------------------------------------------- registering


def register_part(registry: MutableMapping[str, Any], kind: str, name: str, part: Any) -> None:
    """Put a part into a registry. Raises ValueError for a name that cannot be one, or stands there already."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{kind} {name!r}: expected a name of small letters, digits, - and _, such as 'least-squares'")
    if name in registry:
        whose = origin(kind, name)
        raise ValueError(
            f"{kind} {name}: there is one of this name already{f', of {whose}' if whose else ''}; choose another"
        )
    registry[name] = part
    if _running:
        _running[-1].adds.append((registry, kind, name))


def register_loss(name: str) -> Callable[[L], L]:
    """A decorator: the class is a loss, chosen with loss.name. Its arguments are keys of `loss` at once.

    It has has_zero, discriminator(critic, reals, fakes, gamma, u) and generator(critic, reals, fakes), as those of
    progan_style/training/losses.py. Raises ValueError for another class.
    """
    from progan_style.training.losses import LOSSES

    def register(kind: L) -> L:
        what = f"loss {name}"
        _check_class(kind, what, {"discriminator": 5, "generator": 3})
        if not isinstance(getattr(kind, "has_zero", None), bool):
            raise ValueError(f"{what}: lacks has_zero, True or False: whether D's logits have a zero between the kinds")
        _check_arguments(kind, what)
        _tried(what, lambda: _try_loss(kind))
        register_part(LOSSES, "loss", name, kind)
        return kind

    return register


def register_augmentation(name: str, operation: "Operation") -> None:
    """A Move or a Tone (progan_style/training/augment.py) behind the others; its row is augment.operations.NAME.

    Without a row it is off. Raises ValueError for what is no operation.
    """
    from dataclasses import replace

    from progan_style.training.augment import AUGMENTS, Move, Tone

    what = f"augmentation {name}"
    if not isinstance(operation, Move | Tone):
        raise ValueError(f"{what}: expected a Move or a Tone, got {type(operation).__name__}")
    _tried(what, lambda: _try_operation(operation))
    register_part(AUGMENTS, "augmentation", name, replace(operation, optional=True))


def register_architecture(
    name: str,
    generator: "type[Generator]",
    discriminator: "type[Discriminator]",
    *,
    twice_differentiable: bool = False,
) -> None:
    """Both networks of an architecture, chosen with network.name; they keep what networks/contract.py promises.

    twice_differentiable: whether a gradient of G can be differentiated again, as path length regularisation does.
    Raises ValueError for classes that lack a method of the contract, or whose small networks do not give its shapes.
    """
    from progan_style.networks import ARCHITECTURES, Parts, contract

    what = f"architecture {name}"
    for kind, promise in ((generator, contract.Generator), (discriminator, contract.Discriminator)):
        if not inspect.isclass(kind) or not issubclass(kind, promise):
            raise ValueError(f"{what}: expected a subclass of {promise.__name__} of networks/contract.py, got {kind!r}")
        if lacks := sorted(getattr(kind, "__abstractmethods__", ())):
            raise ValueError(f"{what}: {kind.__name__} lacks {', '.join(lacks)}")
    _tried(what, lambda: _try_networks(generator, discriminator))
    parts = Parts(TWICE_DIFFERENTIABLE=twice_differentiable, Generator=generator, Discriminator=discriminator)
    register_part(ARCHITECTURES, "architecture", name, parts)


# ---------------------------------------------------------------- what the program will ask of a part


def _check_class(kind: Any, what: str, methods: Mapping[str, int]) -> None:
    """Raises ValueError unless `kind` is a class with these methods, which take so many arguments by place."""
    if not inspect.isclass(kind):
        raise ValueError(f"{what}: expected a class, got {kind!r}")
    for method, count in methods.items():
        function = getattr(kind, method, None)
        if not callable(function):
            raise ValueError(f"{what}: {kind.__name__} lacks the method {method}")
        try:
            inspect.signature(function).bind(*range(count + 1))
        except TypeError as error:
            raise ValueError(f"{what}: {method} does not take what it is given ({error})") from None


def _check_arguments(kind: type, what: str) -> None:
    """Raises ValueError unless every argument of the class says its type, which a configuration is held against."""
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.annotation is inspect.Parameter.empty or parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            raise ValueError(f"{what}: argument {parameter.name}: expected a name with a type, as in `weight: float`")


def _tried(what: str, work: Callable[[], None]) -> None:
    """work(), whose every fault is one of the part. Raises ValueError with its words."""
    try:
        work()
    except ValueError as error:
        raise ValueError(f"{what}: {_in_words(error)}") from error
    except Exception as error:
        raise ValueError(f"{what}: fails on a trial: {_in_words(error)}") from error


def _try_loss(kind: type) -> None:
    import torch

    if any(p.default is inspect.Parameter.empty for p in inspect.signature(kind).parameters.values()):
        return  # its arguments are the user's to give
    loss, weight = kind(), torch.full([8, 8], 0.1, requires_grad=True)
    reals, fakes = torch.rand(2, 4, 1, 8, 8).unbind()

    def critic(images: Any) -> Any:
        return (images[:, 0] * weight).square().sum(dim=(1, 2))

    for gamma in (0.0, 1.0):
        of_both = (
            ("discriminator", loss.discriminator(critic, reals, fakes, gamma, torch.rand(4))),
            ("generator", loss.generator(critic, reals, fakes)),
        )
        for method, terms in of_both:
            alike = isinstance(terms, dict) and terms and all(isinstance(t, torch.Tensor) for t in terms.values())
            if not alike or any(term.shape or not term.isfinite() for term in terms.values()):
                raise ValueError(f"{method}: expected named finite scalars, as {{'real': tensor}}, got {terms!r}")
            sum(terms.values()).backward()


def _try_operation(operation: Any) -> None:
    import torch

    from progan_style.training.augment import Move

    n, u = operation.numbers, torch.rand(3, operation.numbers)
    values = operation.values(u, operation.most, 8)
    if values.shape != (3, n) or not values.isfinite().all():
        raise ValueError(f"values: expected finite [3, {n}] for uniform numbers [3, {n}], got {list(values.shape)}")
    if isinstance(operation, Move):
        if len(range(5)[operation.rows]) != n:
            raise ValueError(f"rows: expected {n} of the five rows of a pose, got {operation.rows}")
        return
    images = torch.rand(3, 1, 8, 8, requires_grad=True)
    at_work = values[:, :1, None, None] if n == 1 else values[:, :, None, None]
    field = torch.randn(3, 1, 8, 8) if operation.needs_field else None
    made, same = (operation.apply(images, value, field) for value in (at_work, torch.zeros_like(at_work)))
    if made.shape != images.shape or not made.requires_grad:
        raise ValueError("apply: expected images of the same shape that can be differentiated by the images")
    if not torch.allclose(same, images, atol=1e-5):
        raise ValueError("apply: the value 0 has to leave an image as it is; it stands for an image that is left out")


def _try_networks(generator: Any, discriminator: Any) -> None:
    import torch

    from progan_style.networks.conditions import Condition

    sizes = {"num_classes": 2, "max_resolution": 16, "channel_base": 64, "channel_max": 8}
    shared: dict[str, Any] = {**sizes, "positions": False, "conditions": {}}
    G = generator(**shared, z_dim=8, w_dim=8, mapping_depth=2, mapping_lr_mul=0.01)
    D = discriminator(**shared, in_logit=True, taught=False)
    condition = Condition.of_labels(torch.tensor([0, 1, 0, 1]), 2)
    for r in (8, 16):
        G.grow(r)
        D.grow(r)
        images = G.synthesis(G.mapping(torch.randn(4, 8), condition), torch.randn(4, G.noise_size))
        _expect(images, "synthesis", (4, 1, r, r))
        features = D.features(images)
        _expect(features, "features", (4, features.shape[-1]))
        _expect(D.logits(features, condition), "logits", (4,))
        _expect(D.class_logits(features), "class_logits", (4, 2))


def _expect(made: Any, method: str, shape: tuple[int, ...]) -> None:
    if made.shape != shape:
        raise ValueError(f"{method}: expected {list(shape)} of four images, got {list(made.shape)}")

"""Who may import whom (docs/architecture.md), read from the source with ast, imports inside functions too."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
import progan_style

REPO = Path(__file__).parents[1]

# ------------------------------------------------------------------------------------------------------ the rules
# Rooms are modules or folders of progan_style, the longest name that fits a module is its room.

# What a step of training is made of, besides the step itself
PARTS = tuple(f"training.{name}" for name in ("losses", "conditioning", "path_length", "augment", "meter"))
# From the lowest to the highest. A module imports from its own room and from lower layers, never sideways or upwards.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("files", "page", "pool", "rng", "shell", "memory", "vision", "distributed"),
    ("training.schedule", "described"),
    ("networks",),
    PARTS,
    ("plugins",),
    ("section",),
    ("schedule_section",),
    ("sections",),
    ("config",),
    ("asking",),
    ("checkpoint", "sampling"),
    ("data",),
    ("phantoms", "scans"),
    ("audit", "field"),
    ("export",),
    ("run",),
    ("training",),
    ("commands",),
    ("",),  # progan_style/__init__.py: the public names
)
TRAINING = ("training", "training.schedule", "checkpoint", *PARTS)
# (rooms, what no module of theirs imports): by itself ...
NEVER = (
    ((*TRAINING, "networks", "sampling"), ("scans", "audit", "phantoms")),
    (("training.losses",), ("",)),  # an empty name: nothing of progan_style
    (("training.schedule",), ("", "torch")),
    (("networks",), (*LAYERS[0], "training.schedule")),
)
# ... and through whatever it imports
NEVER_REACHES = (((*TRAINING, "networks", "sampling", "run", "data"), ("scans", "audit")),)
CONFIG = {"progan_style.config", "progan_style.sections"}
KNOWS_CONFIG = ("config", "sections", "run", "training", "commands", "")

# ---------------------------------------------------------------------------------------------------- the reading


@functools.cache
def modules(package: str) -> dict[str, Path]:
    """Module, such as progan_style.data.folder -> its file."""
    found = {}
    for path in sorted((REPO / package).rglob("*.py")):
        found[".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


@functools.cache
def imports(path: Path) -> frozenset[tuple[str, str]]:
    """(module, name) of every import in a file; name is "" for a plain import."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {(node.module or "", alias.name) for alias in node.names}
    return frozenset(found)


def imported(module: str, package: str) -> set[str]:
    """The modules that one imports, those of its own package in full: `from progan_style import rng` is of rng."""
    known = modules(package)
    return {full if (full := f"{m}.{name}") in known else m for m, name in imports(known[module])}


def graph(package: str) -> dict[str, set[str]]:
    """Module -> the modules of the same package that it imports."""
    return {module: imported(module, package) & modules(package).keys() for module in modules(package)}


def reached(edges: dict[str, set[str]], module: str) -> set[str]:
    """What a module imports, through others too."""
    found: set[str] = set()
    ahead = [module]
    while ahead:
        new = edges[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other (strongly connected), and modules that import themselves."""
    reach = {module: reached(edges, module) for module in edges}
    found = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in edges if a in reach[a]}
    return [list(circle) for circle in sorted(found)]


def room(module: str) -> str:
    """progan_style.training.losses -> training.losses, progan_style.data.folder -> data."""
    inside = module.removeprefix("progan_style").removeprefix(".")
    names = [name for layer in LAYERS for name in layer]
    fits = [name for name in names if name and (inside == name or inside.startswith(f"{name}."))]
    assert fits or not inside, f"{module}: no room of LAYERS; say where it stands"
    return max(fits, key=len, default="")


def layer(module: str) -> int:
    return next(height for height, names in enumerate(LAYERS) if room(module) in names)


def upwards(edges: dict[str, set[str]]) -> list[str]:
    """The imports that do not go down and do not stay in the room."""
    return [
        f"{a} imports {b}"
        for a, others in sorted(edges.items())
        for b in sorted(others)
        if room(a) != room(b) and layer(b) >= layer(a)
    ]


def is_of(module: str, forbidden: str) -> bool:
    """Whether a module is what a rule forbids: a room of progan_style ("" is any of them) or another package."""
    if module.split(".")[0] != "progan_style":
        return bool(forbidden) and module.split(".")[0] == forbidden
    return forbidden in ("", room(module))


# ------------------------------------------------------------------------------------------------------ the tests

MODEL, ANALYSIS, EXPLORER = list(modules("progan_style")), list(modules("analysis")), list(modules("explorer"))
WITH_BOKEH = ("controls", "panels", "page", "server")  # of the explorer; all else is tested without a browser


@pytest.mark.parametrize("module", MODEL)
def test_the_model_never_imports_the_analysis(module):
    above = ("analysis", "explorer")
    assert not [m for m, _ in imports(modules("progan_style")[module]) if m.split(".")[0] in above]


@pytest.mark.parametrize("module", ANALYSIS)
def test_the_analysis_uses_public_names_only(module):
    is_shell = module == "analysis.__main__" or module.startswith("analysis.commands")
    public = {*progan_style.__all__, *(["shell"] if is_shell else [])}
    for name_of, name in imports(modules("analysis")[module]):
        if name_of.split(".")[0] == "progan_style":
            assert name_of == "progan_style" and name in public, f"{name_of}.{name}"


@pytest.mark.parametrize("module", ANALYSIS)
def test_the_analysis_never_imports_the_explorer(module):
    assert not [m for m, _ in imports(modules("analysis")[module]) if m.split(".")[0] == "explorer"]


@pytest.mark.parametrize("module", EXPLORER)
def test_the_explorer_uses_public_names_only(module):
    public = {
        "progan_style": {*progan_style.__all__, *(["shell"] if module == "explorer.command" else [])},
        "analysis": set(analysis.__all__),
    }
    for name_of, name in imports(modules("explorer")[module]):
        package = name_of.split(".")[0]
        if package in public:
            assert name_of == package and name in public[package], f"{name_of}.{name}"
        of_pages = package in ("bokeh", "tornado")
        assert not of_pages or module.removeprefix("explorer.") in WITH_BOKEH, f"{module} imports {name_of}"


def test_nothing_imports_upwards_or_sideways():
    assert not upwards(graph("progan_style"))


@pytest.mark.parametrize("package", ("progan_style", "analysis", "explorer"))
def test_no_modules_import_each_other(package):
    assert not circles(graph(package))


@pytest.mark.parametrize("module", MODEL)
def test_no_module_imports_what_its_room_must_not(module):
    for rooms, forbidden in NEVER:
        if room(module) in rooms:
            assert not [m for m in imported(module, "progan_style") if any(is_of(m, name) for name in forbidden)]
    for rooms, forbidden in NEVER_REACHES:
        if room(module) in rooms:
            assert not [m for m in reached(graph("progan_style"), module) if room(m) in forbidden]


@pytest.mark.parametrize("module", MODEL)
def test_only_these_know_the_configuration(module):
    assert room(module) in KNOWS_CONFIG or not CONFIG & imported(module, "progan_style")


def test_the_rules_see_a_fault():
    """On made-up imports: the checks above would find each of these."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    for a, b in (("data.share", "run"), ("phantoms.folder", "scans.writing"), ("training.losses", "training.trainer")):
        edges = {f"progan_style.{a}": {f"progan_style.{b}"}, f"progan_style.{b}": set()}
        assert upwards(edges) == [f"progan_style.{a} imports progan_style.{b}"]
    assert not upwards(
        {"progan_style.training.trainer": {"progan_style.training.losses", "progan_style.training.step"}}
    )
    with pytest.raises(AssertionError, match="no room of LAYERS"):
        room("progan_style.attic")


@pytest.mark.parametrize("shell", ("train.py", "predict.py", "generate.py", "prepare.py", "explore.py"))
def test_help_does_not_wait_for_torch(shell):
    code = (
        f"import runpy, sys\nsys.argv = ['{shell}', '--help']\n"
        f"try: runpy.run_path('{shell}', run_name='__main__')\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'umap' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0 and "usage" in done.stdout, done.stderr

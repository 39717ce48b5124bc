"""What is asked of a preparation: the command's defaults are the library's."""

from dataclasses import fields

from progan_style import PrepareSettings
from progan_style.commands.prepare import parse
from progan_style.scans.settings import USUAL


def test_the_commands_defaults_are_the_usual_settings():
    args = vars(parse(["in", "--to", "out"], "prepare.py"))
    shared = {field.name for field in fields(PrepareSettings)} & args.keys()
    assert {"split", "seed", "strict", "labels"} <= shared
    for name in shared - {"aliases", "terms", "include", "exclude"}:
        assert args[name] == getattr(USUAL, name), name

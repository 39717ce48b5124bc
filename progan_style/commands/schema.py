"""Schema: what a configuration may hold, as JSON Schema, for an editor that completes and checks YAML.

configs/schema.json is the shipped one; with --plugin it knows the names of your own parts.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from progan_style import plugins, shell
from progan_style.files import write_whole

PROG = "progan-style schema"


def parse(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog=prog, description=(__doc__ or "").splitlines()[0])
    p.add_argument("--to", metavar="FILE", help="the file to write (default: print it)")
    plugins.add_plugin_option(p)
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    args = parse(argv, prog)
    return shell.run(prog, write, args, interrupted="stopped")


def write(args: argparse.Namespace) -> int:
    plugins.load_plugins(args.plugin)
    text = json.dumps(config_schema(), indent=1) + "\n"
    if args.to:
        write_whole(Path(args.to), text.encode())
    else:
        print(text, end="")
    return 0


def config_schema() -> dict[str, Any]:
    """Of an overlay: no key has to be there. hyperparameters.yaml, which has all, fits it too.

    A section that is chosen by name has the names and the arguments of each; the words beside a key are those of
    hyperparameters.yaml. Which argument goes with which name, and what two keys may be together, is checked when the
    configuration is read.
    """
    from progan_style.config import DEFAULT_CONFIG
    from progan_style.networks import ARCHITECTURES
    from progan_style.sections import CHOSEN, Config, arguments_of

    schema: dict[str, Any] = Config.model_json_schema()
    parts = schema["$defs"]
    schema["properties"].pop("plugins")  # a record that the program keeps
    for kind in CHOSEN.values():
        part, registry = parts[kind.__name__], kind.registry()
        for owner in registry.values():
            own = arguments_of(owner).model_json_schema()
            part["properties"] |= {
                key: value for key, value in own["properties"].items() if key not in part["properties"]
            }
        part["properties"]["name"]["enum"] = list(registry)
        part["additionalProperties"] = False
    parts["NetworkConfig"]["properties"]["name"]["enum"] = list(ARCHITECTURES)
    for part in (schema, *parts.values()):
        part.pop("required", None)
        part.pop("title", None)
    _describe(schema, parts, DEFAULT_CONFIG.read_text(encoding="utf-8"))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A configuration of progan-style",
        **schema,
    }


def _describe(schema: dict[str, Any], parts: dict[str, Any], text: str) -> None:
    """The words behind each key of the shipped file, as the key's description."""
    path: list[tuple[int, dict[str, Any]]] = [(-1, schema)]  # indentation, part
    for line in text.splitlines():
        found = re.match(r"( *)(\w+):(?P<value>[^#]*)(?:# *(?P<words>.*))?$", line)
        if not found:
            continue
        indent, key = len(found[1]), found[2]
        while path[-1][0] >= indent:
            path.pop()
        node = path[-1][1].get("properties", {}).get(key)
        if node is None:
            continue
        if found["words"]:
            node["description"] = found["words"]
        if "$ref" in node:
            path.append((indent, parts[node["$ref"].rpartition("/")[2]]))


if __name__ == "__main__":
    sys.exit(main())

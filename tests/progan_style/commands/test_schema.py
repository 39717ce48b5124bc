"""The schema that editors read is that of the configuration, and the shipped files fit it."""

import json
from pathlib import Path

import pytest
import yaml

from progan_style.commands import schema

REPO = Path(__file__).parents[3]
SCHEMA = schema.config_schema()
SHIPPED = (REPO / "hyperparameters.yaml", *sorted((REPO / "configs").glob("*.yaml")))


def test_the_shipped_schema_is_this_one():
    """`progan-style schema --to configs/schema.json` writes it."""
    assert json.loads((REPO / "configs" / "schema.json").read_text()) == SCHEMA


def unknown(tree, part, prefix=""):
    """The keys of a tree that a schema does not know."""
    part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    if not isinstance(tree, dict) or "properties" not in part:
        return []
    found = [f"{prefix}{key}" for key in tree if key not in part["properties"]]
    known = {key: value for key, value in tree.items() if key in part["properties"]}
    return found + [k for key, v in known.items() for k in unknown(v, part["properties"][key], f"{prefix}{key}.")]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_key_of_a_shipped_file_is_known_to_it(path):
    assert not unknown(yaml.safe_load(path.read_text()), SCHEMA)
    named = path.read_text().splitlines()[0].partition("$schema=")[2]
    assert (path.parent / named).resolve() == REPO / "configs" / "schema.json"


def test_names_arguments_and_words_stand_in_it():
    loss, augment = SCHEMA["$defs"]["LossConfig"], SCHEMA["$defs"]["AugmentConfig"]
    assert "relativistic" in loss["properties"]["name"]["enum"] and loss["additionalProperties"] is False
    assert augment["properties"]["p"]["maximum"] == 1 and "required" not in augment
    words = SCHEMA["$defs"]["TrainingConfig"]["properties"]["style_mixing"]["description"]
    assert words.startswith("StyleGAN; the second latent")
    assert unknown({"loss": {"nam": 1}, "sed": 2}, SCHEMA) == ["sed", "loss.nam"]


def test_the_command_prints_or_writes_it(tmp_path, capsys):
    assert schema.main([]) == 0 and json.loads(capsys.readouterr().out) == SCHEMA
    assert schema.main(["--to", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == SCHEMA

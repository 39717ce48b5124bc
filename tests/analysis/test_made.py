"""How a report was made is said without saying whose machine it was."""

from dataclasses import replace

import pytest
import yaml

from analysis import made


def test_versions_and_device_are_named():
    found = made.versions()
    assert found["python"].count(".") == 2 and {"torch", "numpy"} <= set(found)
    assert made.device("cpu").startswith("CPU (")


def test_the_configuration_is_the_runs_without_its_places(run, context_of):
    text = made.configuration(context_of(run))
    assert "resolutions" in text and str(run.root.parent) not in text and run.root.name in text
    assert made.configuration(context_of(run).__class__(**context_of(run).__dict__ | {"run_dir": None})) == ""


@pytest.mark.parametrize(
    "place",
    (
        "/data/Hospital Study/Mueller Hans/checkpoint.pt",
        "/data/O'Neil/checkpoint.pt",
        "../Mueller Hans/checkpoint.pt",
        "C:\\Users\\Mueller Hans\\checkpoint.pt",
        "\\\\server\\Mueller Hans\\checkpoint.pt",
    ),
)
def test_no_folder_of_the_house_is_named_in_a_page_that_leaves_it(run, context_of, tmp_path, place):
    tree = yaml.safe_load((run.run_dir / "config.yaml").read_text())
    tree |= {"init": place, "data": tree["data"] | {"root": place + "/", "cache": place}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    told = made.configuration(replace(context_of(run), run_dir=tmp_path))
    assert yaml.safe_load(told)["init"] == "checkpoint.pt" and told.count("checkpoint.pt") == 3
    assert not any(word in told for word in ("Mueller", "O'Neil", "data/", "Users", "server"))

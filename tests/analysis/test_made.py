"""How a report was made is said without saying whose machine it was."""

from analysis import made


def test_versions_and_device_are_named():
    found = made.versions()
    assert found["python"].count(".") == 2 and {"torch", "numpy"} <= set(found)
    assert made.device("cpu").startswith("CPU (")


def test_the_configuration_is_the_runs_without_its_places(run, context_of):
    text = made.configuration(context_of(run))
    assert "resolutions" in text and str(run.root.parent) not in text and run.root.name in text
    assert made.configuration(context_of(run).__class__(**context_of(run).__dict__ | {"run_dir": None})) == ""

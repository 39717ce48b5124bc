"""The keys of a configuration: what each may be, and how a fault is told."""

import pytest
import yaml

from progan_style import load_config, save_config
from progan_style.config import DEFAULT_CONFIG

MESSAGES = {
    "schedule.fade_kmg=3": "schedule.fade_kmg is not known; did you mean schedule.fade_kimg?",
    "fade_kimg=3": "fade_kimg is not known; did you mean schedule.fade_kimg?",
    "data.phantom.person=3": "data.phantom.person is not known; did you mean data.phantom.persons?",
    "network.name=foo": "network.name: expected one of stylegan1, stylegan2, got foo",
    "loss.path_length=2 & network.name=stylegan1": "loss.path_length: stylegan1 does not have it, its generator is "
    "differentiated once; expected 0, or network.name stylegan2, got 2.0",
    "loss.path_length_interval=0": "loss.path_length_interval: expected greater than or equal to 1, got 0",
    "loss.name=foo": "loss.name: expected one of logistic, relativistic, wgan-gp, hinge, got foo",
    "conditioning.name=foo": "conditioning.name: expected one of projection, auxiliary, got foo",
    "conditioning.generator_weight=1": "conditioning.generator_weight: belongs to conditioning.name auxiliary, got it "
    "with projection; leave it out",
    "conditioning.class_weight=-1": "conditioning.class_weight: expected greater than or equal to 0, got -1",
    "conditioning.clas_weight=1": "conditioning.clas_weight is not known; did you mean conditioning.class_weight?",
    "data.conditions={age: word}": "data.conditions.age: expected 'number', 'category' or 'position', got 'word'",
    "data.conditions={a: position, b: position}": "data.conditions: expected one position at most, got a and b",
    "data.conditions={a=b: number}": "data.conditions: expected a column whose name has no . and no =, got a=b; rename",
    "data.conditions={a/b: number}": "data.conditions: condition 'a/b': expected a name that a folder can have",
    "data.position_column=slice_mm": "data.position_column is not known; now it is data.conditions: {COLUMN: position}",
    "data.sampling=fair": "data.sampling: expected 'natural' or 'balanced', got 'fair'",
    "augment.name=foo": "augment.name: expected one of none, fixed, ada, got foo",
    "augment.p=0.5": "augment.p: belongs to augment.name fixed, got it with none; leave it out",
    "augment.target=0.5": "augment.target: belongs to augment.name ada, got it with none; leave it out",
    "augment.half_time_kimg=9": "augment.half_time_kimg: belongs to augment.name ada, got it with none; leave it",
    "augment.name=fixed": "augment.p is missing",
    "augment.operations.cutout=1": "augment.operations: expected one of translate, subpixel, rotate, scale, flip, "
    "brightness, contrast, noise, got cutout",
    "augment.operations.rotate=90": "augment.operations.rotate: expected 0 to 45 (degrees), got 90",
    "augment.operations.flip=1": "augment.operations.flip: expected 0 to 0.5 (share of the images), got 1",
    "augment.operations.noise=-1": "augment.operations.noise: expected 0 to 0.5 (standard deviation), got -1",
    "augment.operations={rotate: 1}": "augment.operations.translate: the row is missing; 0 turns the operation off",
    "augment.kind=ada": "augment.kind is not known",
    "seed=abc": "seed: expected a valid integer, unable to parse string as an integer, got 'abc'",
    "data.classes=[]": "data.classes: expected at least 1 item, got []",
    "data.classes=[CN,cn]": "data.classes: the same class twice",
    "training.adam_betas=[1.0,2.0]": "training.adam_betas.0: expected less than 1, got 1.0",
    "training.precision=half": "training.precision: expected 'auto', 'bf16' or 'fp32', got 'half'",
    "x": "--set x: expected KEY=VALUE, as in --set schedule.fade_kimg.64=200",
    "a.b.c=1": "--set: a.b.c is not known",
}


def test_a_section_chosen_by_name_has_the_arguments_of_that_name():
    def chosen(*overrides, section="augment"):
        return getattr(load_config(overrides=overrides), section).arguments

    assert chosen() == {} and chosen("augment.name=fixed", "augment.p=1") == {"p": 1.0}
    assert chosen("augment.name=ada") == {"target": None, "half_time_kimg": 50.0}
    assert chosen("augment.half_time_kimg=250", "augment.name=ada") == {"target": None, "half_time_kimg": 250.0}
    assert chosen(section="conditioning") == {"class_weight": 0.0}
    auxiliary = ("conditioning.class_weight=0.5", "conditioning.name=auxiliary")
    assert chosen(*auxiliary, section="conditioning") == {"class_weight": 0.5, "generator_weight": 1.0}
    assert chosen(section="loss") == {}
    assert chosen("augment={name: fixed, p: 0.2}") == {"p": 0.2}


def test_another_name_takes_the_arguments_of_the_one_before_away(tmp_path):
    save_config(load_config(overrides=["augment.name=ada", "augment.target=0.4"]), tmp_path / "config.yaml")
    none = load_config(tmp_path / "config.yaml", overrides=["augment.name=none"])
    assert none.augment == load_config().augment
    (tmp_path / "overlay.yaml").write_text("augment: {name: fixed, p: 0.2}\n")
    fixed = load_config(tmp_path / "config.yaml", tmp_path / "overlay.yaml")
    assert fixed.augment.arguments == {"p": 0.2} and fixed.augment.operations == none.augment.operations


def test_null_counts_as_not_given_so_that_earlier_runs_are_read(tmp_path):
    """They wrote every argument of every name, null where another name was chosen or the default was meant."""
    tree = load_config().model_dump(mode="json")
    tree["augment"] |= {"p": None, "target": None, "half_time_kimg": None}
    tree["conditioning"] = {"name": "projection", "class_weight": None, "generator_weight": None}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    assert load_config(tmp_path / "config.yaml") == load_config()
    tree["conditioning"] = {"name": "auxiliary", "class_weight": None, "generator_weight": 0.5}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    assert load_config(tmp_path / "config.yaml").conditioning.arguments == {
        "class_weight": 1.0,
        "generator_weight": 0.5,
    }


def test_an_argument_that_a_class_gains_is_a_key_without_another_line(monkeypatch):
    from progan_style.training import losses

    class Softened(losses.Logistic):
        def __init__(self, softness: float = 0.5):
            self.softness = softness

    monkeypatch.setitem(losses.LOSSES, "softened", Softened)
    config = load_config(overrides=["loss.name=softened", "loss.softness=2"])
    assert config.loss.arguments == {"softness": 2.0} and config.loss.make().softness == 2.0
    with pytest.raises(ValueError, match=r"loss.softness: belongs to loss.name softened, got"):
        load_config(overrides=["loss.softness=2"])


@pytest.mark.parametrize("override", MESSAGES)
def test_faults_are_named_by_key_in_one_line(override):
    with pytest.raises(ValueError) as caught:
        load_config(overrides=override.split(" & "))
    assert MESSAGES[override] in str(caught.value) and "\n" not in str(caught.value)


def test_several_faults_are_told_together(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("sede: 1\nnetwork: {z_dim: 0}\n")
    with pytest.raises(ValueError, match=r"mine.yaml: .*z_dim: expected .*; sede is not known; did you mean seed\?"):
        load_config(overlay=path)


def test_a_missing_key_is_named(tmp_path):
    tree = yaml.safe_load(DEFAULT_CONFIG.read_text())
    del tree["network"]["w_dim"]
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match=r"all.yaml: network.w_dim is missing"):
        load_config(path)

import os

import pytest

from explorer.generators import OPEN, Generators


def stage(run_dir, size):
    return run_dir / f"stage-{size:03d}" / "generator.safetensors"


def test_finished_sizes_are_shown(run_dir):
    generators = Generators(run_dir)
    assert generators.sizes() == (8, 16)
    opened, remark = generators.get(16)
    assert opened.pictures.G.resolution == 16 and remark == "" and generators.get(16)[0] is opened
    (run_dir / "stage-032").mkdir()
    (run_dir / "stage-032" / "generator.safetensors").write_bytes(stage(run_dir, 16).read_bytes())
    assert generators.sizes() == (8, 16, 32)


def test_a_generator_that_is_deleted_stays_open(run_dir):
    generators = Generators(run_dir)
    opened, _ = generators.get(16)
    stage(run_dir, 16).unlink()
    again, remark = generators.get(16)
    assert (
        again is opened and remark.startswith("stage-016: the generator was deleted") and generators.sizes() == (8, 16)
    )
    stage(run_dir, 8).unlink()
    with pytest.raises(ValueError, match="stage-008: the generator is gone; sizes that are left: 16"):
        generators.get(8)


def test_a_generator_that_changes_is_read_again(run_dir, write_generator):
    generators = Generators(run_dir)
    generators.get(16)
    write_generator(stage(run_dir, 16))
    opened, remark = generators.get(16)
    assert opened.pictures.G.nimg == 7 and remark == "stage-016: the generator has changed and was read again"
    assert generators.get(16) == (opened, "")


def test_a_damaged_generator_is_named(run_dir):
    generators = Generators(run_dir)
    opened, _ = generators.get(16)
    for size in (8, 16):
        content = bytearray(stage(run_dir, size).read_bytes())
        content[-1] ^= 1
        stage(run_dir, size).write_bytes(content)
        os.utime(stage(run_dir, size), ns=(1, 1))
    with pytest.raises(ValueError, match=r"stage-008/generator.safetensors: damaged"):
        generators.get(8)
    again, remark = generators.get(16)
    assert again is opened and "cannot be read; what is shown is the one before it" in remark


def test_a_header_that_nobody_understands_is_named(run_dir, write_generator):
    write_generator(stage(run_dir, 8), positions={"column": "z", "quantiles": [2.0, 1.0]})
    with pytest.raises(ValueError, match=r"stage-008/generator.safetensors: the header of this network is wrong"):
        Generators(run_dir).get(8)


def test_few_networks_stay_in_memory(run_dir):
    for size in (32, 64, 128):
        (run_dir / f"stage-{size:03d}").mkdir()
        stage(run_dir, size).write_bytes(stage(run_dir, 16).read_bytes())
    generators = Generators(run_dir)
    first, _ = generators.get(8)
    for size in (16, 32, 64):
        generators.get(size)
    assert len(generators._open) == OPEN and generators.get(8)[0] is not first

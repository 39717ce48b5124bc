"""What a training logs about its generator: KID and fidelity on the validate part, and nothing else is touched."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from analysis.evaluation import evaluator
from progan_style import Phase


def phase_of(resolution: int) -> Phase:
    values = {field.name: 1.0 for field in fields(Phase)} | {"resolution": resolution, "batch_size": 8}
    return Phase(**values)


def test_the_evaluator_gives_kid_and_fidelity_on_the_validate_part(tiny_run, G, quick, tmp_path):
    evaluate = evaluator(tiny_run.data, samples_per_label=16, cache_dir=tmp_path)
    before = torch.random.get_rng_state()
    numbers = evaluate(G, phase_of(16))
    assert set(numbers) == {"kid", "kid.CN", "kid.AD", "fidelity.auc", "fidelity.accuracy"}
    assert numbers["kid"] == pytest.approx((numbers["kid.CN"] + numbers["kid.AD"]) / 2)
    assert evaluate(G, phase_of(16)) == numbers
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(list(tmp_path.glob("judge-016-*"))) == 1


def test_without_a_validate_part_there_is_no_evaluator(tiny_run):
    nobody = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    assert evaluator(replace(tiny_run.data, validate=nobody)) is None

"""What a training logs about its generator: KID and fidelity on the validate part, and nothing else is touched."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from analysis.evaluation import FIRST_SEED, evaluator
from analysis.slices import generated
from progan_style import Phase


def phase_of(resolution: int) -> Phase:
    values = {field.name: 1.0 for field in fields(Phase)} | {"resolution": resolution, "batch_size": 8}
    return Phase(**values)


def octave(images):
    """Of 16x16 pixels, by its definition: mean over the radii 5 to 8 of the power at that radius, of the mean image."""
    pixels = np.asarray(images, dtype=float)[:, 0] / 255
    total = dict.fromkeys(range(5, 9), ())
    f = np.fft.fftfreq(16, 1 / 16)
    for image in pixels:
        power = abs(np.fft.fft2(image - image.mean())) ** 2
        for r in total:
            at = [power[i, j] for i in range(16) for j in range(16) if round(float(np.hypot(f[i], f[j]))) == r]
            total[r] += (np.mean(at),)
    return np.mean([np.mean(values) for values in total.values()])


def test_the_evaluator_gives_kid_and_fidelity_on_the_validate_part(tiny_run, G, quick, tmp_path):
    evaluate = evaluator(tiny_run.data, samples_per_label=16, cache_dir=tmp_path)
    before = torch.random.get_rng_state()
    numbers = evaluate(G, phase_of(16))
    assert set(numbers) == {"kid", "kid.CN", "kid.AD", "finest_octave", "fidelity.auc", "fidelity.accuracy"}
    assert numbers["kid"] == pytest.approx((numbers["kid.CN"] + numbers["kid.AD"]) / 2)
    made, real = generated(G, 16, FIRST_SEED), tiny_run.data.validate
    each = [octave(made.images[made.labels == c]) / octave(real.at(16)[real.labels == c]) for c in (0, 1)]
    assert numbers["finest_octave"] == pytest.approx(np.mean(each), rel=1e-6)
    assert evaluate(G, phase_of(16)) == numbers
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(list(tmp_path.glob("judge-016-*"))) == 1


def test_without_a_validate_part_there_is_no_evaluator(tiny_run):
    nobody = tiny_run.data.test.subset(np.zeros(len(tiny_run.data.test), dtype=bool))
    assert evaluator(replace(tiny_run.data, validate=nobody)) is None

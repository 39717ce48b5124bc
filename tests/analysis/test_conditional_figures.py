"""The figures of conditions: what one brain keeps while its age goes on."""

import numpy as np

from analysis.conditional_figures import fixed, series
from progan_style import load_generator


def test_one_brain_keeps_all_but_its_age(aged_run):
    G = load_generator(aged_run.run_dir)
    kept = fixed(G)
    assert kept == {"sex": "F"}
    first, last = G.described.named("age").ends
    images = series(G, 0, 3, np.array([first, last]), kept)
    assert images.shape == (2, 1, 16, 16) and images.dtype == np.uint8
    again = series(G, 0, 3, np.array([last]), kept)
    assert (again[0] == images[1]).all()

"""What several tests of the analysis need: slices of discs, a finished run's generator."""

import numpy as np
import pytest

from progan_style import load_generator, stage_dir


@pytest.fixture(scope="session")
def discs():
    """discs(count, size=16, seed=0) -> uint8 [M, 1, R, R] and labels [M]; wide discs are class 0, narrow ones 1."""

    def made(count, size=16, seed=0):
        """Bright discs, wide for class 0 and narrow for class 1, uint8 [M, 1, R, R] and labels [M]."""
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 2
        y, x = np.mgrid[:size, :size] / size - 0.5
        radius = np.where(labels, 0.22, 0.34) + rng.normal(0, 0.03, count)
        images = 200 / (1 + np.exp((np.hypot(x, y) - radius[:, None, None]) * 40))
        images += rng.normal(0, 6, images.shape)
        return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels

    return made


@pytest.fixture
def G(tiny_run):
    return load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")

"""Features of a plugin's source are compared as ours are; what cannot be a source is refused (test_plugins.py)."""

import numpy as np
import pytest

from analysis.context import NotHereError
from analysis.sections import made_of, own, usual
from analysis.sources import OWN, register_source


def test_own_features_have_their_baseline_and_the_section_is_run_unasked(context_of, made, tiny_run):
    context = context_of(tiny_run)
    with pytest.raises(NotHereError, match="no plugin registers a feature source"):
        own.measure(context)
    assert "own" not in usual(context) and made_of("grid") == ""

    @register_source("rows")
    def rows(images):
        return images[:, 0].mean(axis=2).astype(np.float32)

    try:
        assert "own" in usual(context)
        numbers, pictures = made(own, context)
        assert numbers["own.rows.kid.CN.baseline"] < numbers["own.rows.kid.CN.untrained"] and pictures == []
    finally:
        OWN.clear()

"""The public names of the package."""

import pytest

import progan_style


def test_every_public_name_exists():
    for name in progan_style.__all__:
        assert getattr(progan_style, name) is not None
    with pytest.raises(AttributeError):
        progan_style.nothing_of_this_name  # noqa: B018

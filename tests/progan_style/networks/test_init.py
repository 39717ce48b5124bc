"""The registry: each architecture says what its kind needs to know."""

import pytest

from progan_style.networks import ARCHITECTURES, NAMES, contract


def test_each_name_is_a_file_with_what_an_architecture_says():
    assert tuple(ARCHITECTURES) == NAMES
    for name, architecture in ARCHITECTURES.items():
        assert architecture.__name__ == f"progan_style.networks.{name}"
        assert issubclass(architecture.Generator, contract.Generator)
        assert issubclass(architecture.Discriminator, contract.Discriminator)
        assert isinstance(architecture.TWICE_DIFFERENTIABLE, bool)


@pytest.mark.parametrize("kind", (contract.Generator, contract.Discriminator))
def test_what_keeps_less_than_the_contract_cannot_be_made(kind):
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (kind,), {})(8)

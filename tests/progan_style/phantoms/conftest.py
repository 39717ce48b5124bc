"""What the tests of phantoms share."""

import pytest

from progan_style.phantoms.atlas import prepare_template


@pytest.fixture(scope="module")
def template():
    return prepare_template()

import pytest
from network_tools import build

from progan_style.networks import ARCHITECTURES


@pytest.fixture(params=ARCHITECTURES)
def nets(request):
    return build(request.param, 16)

"""true is no number, and a place has a name."""

import pytest
from pydantic import ValidationError

from progan_style.section import Place, Section


class Some(Section):
    count: int = 1
    share: float | None = None
    switch: bool = False
    place: Place | None = None


@pytest.mark.parametrize("given", ({"count": True}, {"share": False}, {"place": ""}, {"place": "a\nb"}, {"other": 1}))
def test_what_is_refused(given):
    with pytest.raises(ValidationError):
        Some(**given)


def test_what_is_taken():
    some = Some(count=2, share=1, switch=True, place="data/mine")
    assert some.model_dump() == {"count": 2, "share": 1.0, "switch": True, "place": "data/mine"}
    with pytest.raises(ValidationError, match="frozen"):
        some.count = 3

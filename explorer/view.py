"""State -> all that a tab shows, in one call: pictures, their difference, closest slices. No browser in sight."""

from dataclasses import dataclass

from explorer import pictures as made
from explorer.generators import Opened
from explorer.pictures import Picture, difference, root_mean_square
from explorer.real import Closest, Neighbour
from explorer.state import State


@dataclass(frozen=True)
class View:
    """pictures: of "brain" at the beginning and on the way; of "mixing" the first, the second, mixed; of "closest" the
    one that is compared. change: root mean square of the difference of the first two, gray levels."""

    state: State
    pictures: tuple[Picture, ...]
    change: float = 0.0
    neighbours: tuple[Neighbour, ...] = ()
    nimg: int = 0
    remark: str = ""


def view(opened: Opened, state: State, closest: Closest | None = None, remark: str = "") -> View:
    """closest: of this size, for its tab."""
    pictures, names = opened.pictures, tuple(opened.pictures.G.class_names)
    brains = {
        "brain": (made.beginning(state, names), made.on_the_way(state, names)),
        "mixing": (made.on_the_way(state, names), made.second(state, names), made.mixture(state, names)),
        "closest": (made.on_the_way(state, names),),
        "map": (),
    }[state.tab]
    shown = tuple(pictures.of(brain) for brain in brains)
    change = root_mean_square(difference(*shown[:2])) if len(shown) > 1 else 0.0
    near = tuple(closest.of(shown[0])) if closest is not None and state.tab == "closest" else ()
    return View(state, shown, change, near, pictures.G.nimg, remark)

"""Which way up a head is by its shape: found in every order of axes, not said where it is not clear."""

import numpy as np
from scipy import ndimage

from progan_style.scans.head import Head, find_head
from progan_style.scans.upright import ENDS, doubt, lie_of_brain, template, top_of_head
from progan_style.scans.volumes import make_volume


def as_called_ras(scan_tools, data, order):
    """The same voxels in another order under a header that says RAS, and what it then calls the end that is the top."""
    stored, affine = scan_tools.stored_as(data, np.eye(4), order)
    axis = int(np.flatnonzero(affine[2, :3])[0])
    return stored, ENDS[axis][int(affine[2, axis] > 0)]


def test_the_neck_tells_where_the_top_of_a_head_is(scan_tools):
    data, _ = scan_tools.head(8.0)
    for order in scan_tools.ALL_ORDERS:
        stored, top = as_called_ras(scan_tools, data, order)
        head = find_head(make_volume(stored.astype(np.float32), np.diag([8.0, 8, 8, 1]), "scan"))
        assert top_of_head(head) == top
        found = doubt(head, None, np.full(3, 8.0))
        assert found == "" if top == "top" else f"lies at the end that is called the {top};" in found


def test_a_brain_lies_on_the_templates_mask_in_one_way():
    """The template itself, squeezed and sheared as people differ, in every order of axes."""
    shear = np.array([[1, 0, 0.05], [0, 1.05, 0.1], [0, 0, 0.92]])
    person = ndimage.affine_transform(template().astype(np.float32), shear, 24 - shear @ np.full(3, 24.0)) > 0.5
    for axes in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        for axis in (0, 2):
            brain = np.flip(person.transpose(axes), axis)
            front, top = (ENDS[axes.index(of)][int(axes.index(of) != axis)] for of in (1, 2))
            assert lie_of_brain(brain, np.full(3, 4.0)) == (top, front)
    about = np.flip(person, (0, 1))  # turned by 180 degrees as it is seen from above
    told = doubt(Head(about, np.diag([4.0, 4, 4, 1]), (1, 1, 1)), about, np.full(3, 4.0))
    assert told.startswith("by its shape the front of the brain lies at the end that is called the back; look")


def test_what_is_no_clear_answer_is_none(scan_tools):
    _, _, ellipsoid = scan_tools.bare_brain(8.0)
    assert lie_of_brain(ellipsoid, np.full(3, 8.0)) == ("", "")
    slab = template()[:, :, 20:32]
    assert lie_of_brain(slab, np.full(3, 4.0)) == ("", "")
    data, _ = scan_tools.head(8.0)
    middle = find_head(make_volume(data[:, :, 12:18].astype(np.float32), np.diag([8.0, 8, 8, 1]), "slab"))
    assert top_of_head(middle) == "" and doubt(middle, None, np.full(3, 8.0)) == ""

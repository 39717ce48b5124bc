"""What is told of all scans together: slices that were not made, notes, centres of several kinds."""

from progan_style.scans.cutting import Cut
from progan_style.scans.outcomes import Outcome, mixed_middles, remarks, told
from progan_style.scans.plan import make_plan

CUT = Cut(slices=3, spacing=10.0, size=32)


def test_slices_outside_of_a_volume_are_counted_for_each_scan(scan_tools, tmp_path):
    for person in range(2):
        scan_tools.write_nifti(tmp_path / f"sub-0{person}_T1w.nii.gz", *scan_tools.head(8.0, seed=person))
    lines = told(make_plan(tmp_path), {0: Outcome(outside=(90.0, 100.0)), 1: Outcome(notes=("no unit",))}, CUT)
    assert lines == [
        "note      sub-01_T1w.nii.gz: no unit",
        "OUTSIDE   2 slices lie outside their volume and were not made:",
        "          sub-00_T1w.nii.gz: 2 of 3 (90, 100 mm)",
    ]


def test_one_kind_of_centre_is_no_mixture():
    """A brain is found by its mask or because it is bare: both are the brain's middle."""
    alike = [Outcome(middle="mask"), Outcome(middle="brain"), Outcome(error="damaged")]
    assert mixed_middles(alike) == "" and remarks(alike) == ["1 scans could not be used: see scans.csv"]
    mixed = mixed_middles([*alike, Outcome(middle="template")])
    assert mixed.startswith("2 about the brain and 1 about the template: their levels do not match")
    assert remarks([*alike, Outcome(middle="template", doubt="upside down")])[1:] == [
        mixed,
        "1 scans may not be the way up that their headers say: see scans.csv",
    ]

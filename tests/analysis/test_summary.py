"""The printed summary: each number beside what it has to be read against, and a warning in words."""

from analysis.summary import heading, summary


def numbers(**more):
    return {
        "title": "run",
        "resolution": 64,
        "class_names": ["CN", "AD"],
        "held_out.persons": 125,
        "held_out.slices": 1000,
        "held_out.split": "test",
        "persons.are": "people of the manifest",
        "notes": ["a note"],
        "psi": None,
    } | more


def test_a_line_has_what_is_there_and_nothing_of_what_is_not():
    lines = summary(numbers(**{"kid.AD": 0.25, "kid.AD.baseline": 0.125, "n.AD": 1500, "n.AD.held_out": 1000}))
    assert "KID AD                       0.250   real-vs-real baseline 0.125" in lines
    assert "slices of AD                 1,500   against 1,000 held-out real slices" in lines
    assert "note: a note" in lines and not [line for line in lines if "{" in line]
    assert not [line for line in lines[: lines.index("verdict")] if "CN" in line]


def test_the_heading_says_who_was_held_out():
    assert heading(numbers(nimg=5000, psi=1.0)) == (
        "run at 64x64 after 5,000 images, psi 1; held-out real slices: test (1000 slices, 125 people of the manifest)"
    )
    assert heading(numbers(psi=0.5)).startswith("run at 64x64, psi 0.5;")
    assert "psi not stated" in heading(numbers())
    assert summary(numbers(**{"held_out.persons": None}))[-1].startswith("note: People are unknown")
    assert "people unknown" in heading(numbers(**{"held_out.persons": None}))


def test_label_fidelity_above_real_people_warns_to_the_end():
    above = {
        "fidelity.auc": 0.99,
        "fidelity.low": 0.95,
        "fidelity.real": 0.9,
        "fidelity.real.high": 0.92,
        "fidelity.more_typical_than_real": True,
        **{"fidelity.high": 1.0, "fidelity.real.low": 0.85, "fidelity.shuffled.high": 0.55},
        **{"tstr.auc": 0.9, "tstr.high": 0.93, "tstr.shuffled.high": 0.55},
    }
    assert any("no success" in line and line.endswith("training persons.") for line in summary(numbers(**above)))


def test_the_last_lines_are_the_verdict():
    lines = summary(numbers(corners=9.0, **{"corners.real": 0.0}))
    last = lines[lines.index("verdict") + 1 :]
    assert [line.split("  ")[0] for line in last if line[0] != " "] == [
        *("realism", "variety", "class", "disease size", "copies")
    ]
    assert (
        last[0] == "realism       bad           corners 9.0 gray levels above the reals'" and "Train longer" in last[1]
    )

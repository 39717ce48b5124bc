"""The figures of conditions: what one brain keeps while its age goes on."""

import numpy as np

from analysis.conditional import Told
from analysis.conditional_figures import asked_and_read, by_bins, fixed, series
from progan_style import load_generator


def test_one_brain_keeps_all_but_its_age(aged_run):
    G = load_generator(aged_run.run_dir)
    kept = fixed(G)
    assert kept == {"sex": "F"}
    first, last = G.described.named("age").ends
    images = series(G, 0, 3, np.array([first, last]), kept)
    assert images.shape == (2, 1, 16, 16) and images.dtype == np.uint8
    again = series(G, 0, 3, np.array([last]), kept)
    assert (again[0] == images[1]).all()


def test_a_page_that_leaves_the_lab_shows_no_persons_own_value():
    """Forty people of two slices each, whose ages are no round numbers, and one of 97.3 years alone."""
    rng = np.random.default_rng(0)
    ages = np.repeat(np.append(rng.uniform(60.1, 79.9, 40).round(3), 97.3), 2)
    persons = np.repeat([f"p{i}" for i in range(41)], 2)
    asked = rng.uniform(62, 78, 50)
    pairs = {"generated": (asked, asked + 1), "real": (ages, ages + 2)}
    ends = ("rank", "rank.real", "rank.shuffled", "error", "error.real")
    numbers = dict.fromkeys((f"conditions.age.{end}" for end in ends), 0.5)
    picture = asked_and_read(numbers, [(Told("age", "years"), pairs)], persons)
    (ax,) = picture.content.axes
    lines = [line.get_xdata() for line in ax.lines]
    bars = [path[:, 0] for group in ax.collections[1:] for path in group.get_segments()]
    drawn = np.concatenate([*lines, *bars, ax.collections[0].get_offsets()[:, 0], ax.get_xlim()])
    assert not np.isin(drawn, ages).any() and drawn.max() < 90 and not picture.private
    middles, quartiles = by_bins(*pairs["real"], persons)
    assert middles.tolist() == [62.5, 67.5, 72.5, 77.5]
    within = ages[(ages >= 65) & (ages < 70)]
    assert np.allclose(quartiles[:, 1], np.quantile(within + 2, (0.25, 0.5, 0.75)))


def test_bins_of_few_or_unknown_people_are_not_drawn():
    values = np.array([61.0, 61, 62, 63, 64, 64, np.nan])
    four = np.array(["a", "a", "b", "c", "d", "d", "e"])
    assert by_bins(values, values, four)[0].size == 0 and by_bins(values, values, four)[1].shape == (3, 0)
    assert by_bins(values, values, np.full(7, ""))[0].size == 0
    ages = np.arange(60.0, 81)
    assert by_bins(ages, ages, ages.astype(str))[0].tolist() == [62.5, 67.5, 72.5, 77.5]

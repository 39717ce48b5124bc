"""Persons never part; shares, sexes and ages are held as far as their numbers allow."""

from collections import Counter

import pytest

from progan_style.scans.split import Member, age_band, assign, parse_shares


def study(persons, seed=0):
    """Two groups of `persons`, half men, aged 60 to 89."""
    return [
        Member(f"s{i:03d}", ("AD", "CN")[i % 2], "MF"[i // 2 % 2], str(60 + (i * 7) % 30)) for i in range(2 * persons)
    ]


def counts(members, split_of):
    return Counter((member.group, split_of[member.subject]) for member in members)


@pytest.mark.parametrize("persons", (10, 20, 50, 156, 203))
def test_shares_are_held_within_each_group(persons):
    members = study(persons)
    found = counts(members, assign(members, parse_shares("80/10/10"), 999))
    for group in ("AD", "CN"):
        assert abs(found[group, "test"] - persons / 10) < 0.5 and abs(found[group, "validate"] - persons / 10) < 0.5
        assert sum(found[group, split] for split in ("train", "validate", "test")) == persons


@pytest.mark.parametrize("shares", ("70/15/15", "60/20/20", "34/33/33", "1/49/50"))
@pytest.mark.parametrize("persons", (3, 4, 7, 31))
def test_no_split_is_left_without_a_group(shares, persons):
    members = study(persons)
    found = counts(members, assign(members, parse_shares(shares), 1))
    assert all(found[group, split] for group in ("AD", "CN") for split in ("train", "validate", "test"))


def test_sexes_and_ages_are_spread():
    members = study(100)
    split_of = assign(members, parse_shares("80/10/10"), 5)
    tested = [member for member in members if split_of[member.subject] == "test"]
    assert abs(Counter(member.sex for member in tested)["F"] - 10) <= 2
    bands = Counter(age_band(member.age) for member in tested)
    assert all(abs(bands[band] - 20 / 3) <= 3 for band in ("60", "70", "80"))


def test_the_seed_decides_and_the_order_does_not():
    members = study(30)
    shares = parse_shares("80/10/10")
    assert assign(members, shares, 7) == assign(members[::-1], shares, 7)
    assert assign(members, shares, 7) != assign(members, shares, 8)


def test_too_few_persons_are_all_train():
    members = [*study(20), Member("x1", "MCI"), Member("x2", "MCI")]
    assert set(assign(members, parse_shares("80/10/10"), 0).values()) == {"train"}


def test_a_share_of_nothing_is_an_empty_split():
    members = study(20)
    assert Counter(assign(members, parse_shares("90/10/0"), 0).values()) == {"train": 36, "validate": 4}
    assert set(assign(members, parse_shares("100/0/0"), 0).values()) == {"train"}


@pytest.mark.parametrize("text", ("80/20", "80/10/20", "a/b/c", "0/50/50", "", "80/-10/30"))
def test_impossible_shares_are_refused(text):
    with pytest.raises(ValueError, match="--split: expected"):
        parse_shares(text)


def test_age_bands():
    assert [age_band(age) for age in ("63.5", "70", "", "n/a", "nan")] == ["60", "70", "", "", ""]

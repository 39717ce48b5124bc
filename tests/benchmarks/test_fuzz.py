"""A few made-up files for every reader, always the same; `python -m benchmarks.fuzz` makes as many as there is time."""

import json
import logging

import pytest
from hypothesis import strategies as st

from benchmarks import fuzz

EXAMPLES = {"config": 12, "setting": 12, "checkpoint": 15, "cache": 40}  # of those that take long


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_a_reader_reads_or_says_in_one_line_why_not(name, tmp_path):
    outcome = fuzz.search(fuzz.TARGETS[name], tmp_path, EXAMPLES.get(name, 80))
    assert not outcome.wrong, (outcome.wrong, outcome.made)
    assert outcome.read + outcome.refused > 5


def spins(path):
    while True:
        pass


def says_nothing(path):
    raise ValueError(" ")


READERS = {
    "KeyError: 'a'": lambda path: {}["a"],
    "a ValueError without a word": says_nothing,
    "JSONDecodeError of decoder.py": lambda path: json.loads("{"),
    "no answer in 0.1 s": spins,
}


@pytest.mark.parametrize("told", READERS)
def test_another_answer_is_found_with_its_smallest_input(told, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "CALL", 0.1)

    def read(path):
        if len(path.read_bytes()) > 2:
            READERS[told](path)

    target = fuzz.Target("made", lambda folder: (fuzz.ending(".x", st.binary(max_size=9)), read))
    outcome = fuzz.search(target, tmp_path, 30)
    assert outcome.wrong.startswith(told) and outcome.made == (".x", bytes(3)), outcome
    assert logging.root.manager.disable == logging.NOTSET  # or a later test waits in vain for a word

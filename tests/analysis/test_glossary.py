"""The glossary has the words of docs/analysis.md, and none of the private ones."""

import re
from pathlib import Path

from analysis.glossary import GLOSSARY

DOCUMENT = Path(__file__).parents[2] / "docs" / "analysis.md"


def test_the_words_of_the_document_are_in_it():
    words = {name.casefold() for names in GLOSSARY for name in names.split("|")}
    table = DOCUMENT.read_text(encoding="utf-8").split("## Words")[1].split("## ")[0]
    for cell in re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[2:]:
        assert re.sub(r" \(`.*`\)", "", cell).casefold() in words | {"section"}, cell


def test_no_private_word_and_a_meaning_for_each():
    for names, meaning in GLOSSARY.items():
        assert meaning.endswith(".") and not re.search(
            r"\b(judge|floor|ceiling)\b", f"{names} {meaning}", re.IGNORECASE
        )

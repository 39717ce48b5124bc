"""One HTML page for people, of which a report and an audit are two: everything inside, nothing fetched, all escaped.

What a page says is given as records; how it looks stands in pages/: page.html.jinja, page.css, page.js. Texts are text:
the template escapes them, and links the first use of each word of the glossary.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Grade:
    """One line of a verdict. kind is good, unclear, bad or open (not measured), and gives the colour."""

    aspect: str
    grade: str
    kind: str
    because: str
    rule: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Picture:
    """A numbered figure. source: an address that holds the picture (files.data_uri), or "" where a link is all.

    alt says what is seen; shown, how many pictures of what; words, how to read it; beside, what to read it against.
    files: names that lie beside the page. frames: of a slider, which stand below each other, from ends[0] to ends[1].
    pixels: (width, height) of one of its frames.
    """

    template: ClassVar = "picture"
    title: str
    source: str = ""
    alt: str = ""
    shown: str = ""
    words: str = ""
    beside: str = ""
    files: tuple[str, ...] = ()
    frames: int = 0
    ends: tuple[str, str] = ("", "")
    pixels: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Row:
    """A row of a table. level: 1 for a number that belongs to the one above. marks: of the first cells, how each is out
    of range, or ""."""

    name: str
    cells: tuple[str, ...]
    level: int = 0
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """columns: a name for the rows' names and one for each cell. folded: shown when it is asked for."""

    template: ClassVar = "table"
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    folded: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph; note: with a coloured ground."""

    template: ClassVar = "text"
    words: str
    note: bool = False


@dataclass(frozen=True)
class Listing:
    """Lines as they are, such as a configuration."""

    template: ClassVar = "listing"
    title: str
    text: str
    folded: bool = False


Block = Picture | Table | Text | Listing


@dataclass(frozen=True)
class Section:
    """A part of the page: the question that it asks, the answer in a sentence, and what the answer stands on."""

    title: str
    question: str
    answer: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """What a page says. facts: (name, value) under the title. first: what stands on the first screen.

    glossary: word -> its meaning; a word may have others after a bar ("held-out|held out").
    """

    title: str
    facts: Sequence[tuple[str, str]]
    verdict: Sequence[Grade]
    first: Sequence[Block]
    sections: Sequence[Section]
    glossary: Mapping[str, str] = field(default_factory=dict)

    @property
    def scripted(self) -> bool:
        """Whether the page holds a script: only a slider needs one."""
        return any(isinstance(block, Picture) and block.frames for block in self.blocks())

    def blocks(self) -> list[Block]:
        return [*self.first, *(block for section in self.sections for block in section.blocks)]


def render_page(page: Page) -> str:
    """The page as HTML."""
    pictures = [block for block in page.blocks() if isinstance(block, Picture)]
    numbers = {id(picture): number for number, picture in enumerate(pictures, start=1)}
    words = Words(page.glossary)
    template = environment().get_template("page.html.jinja")
    made = template.render(
        page=page,
        number=lambda picture: numbers[id(picture)],
        linked=words.linked,
        words=words.entries,
        slug=slug,
        css=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),  # our own file, no reader's text
        script=Markup((FOLDER / "page.js").read_text(encoding="utf-8")),
    )
    return made.strip() + "\n"


@functools.cache
def environment() -> Environment:
    """Whatever is not Markup is escaped, in every template; a name that is not there is an error."""
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def slug(text: str) -> str:
    """A text as an anchor of a page: "Real-vs-real baseline" -> "real-vs-real-baseline"."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-") or "part"


class Words:
    """A glossary, and the texts that link to it."""

    def __init__(self, glossary: Mapping[str, str]):
        self.entries: list[tuple[str, str, str]] = []  # anchor, word, meaning
        self.anchors: dict[str, str] = {}  # how a text may write it -> anchor
        for names, meaning in glossary.items():
            word, *others = names.split("|")
            anchor = f"word-{slug(word)}"
            self.entries.append((anchor, word, meaning))
            self.anchors |= {name.casefold(): anchor for name in (word, *others)}
        longest_first = sorted(self.anchors, key=len, reverse=True)
        choice = "|".join(re.escape(name) for name in longest_first)
        self.pattern = re.compile(rf"(?<![\w.-])(?:{choice})(?![\w-])", re.IGNORECASE) if choice else None

    def linked(self, text: Any) -> Markup:
        """A text, escaped, in which the first use of each word leads to its meaning."""
        plain, out, end = str(text), Markup(""), 0
        found: set[str] = set()
        for match in self.pattern.finditer(plain) if self.pattern else ():
            anchor = self.anchors[match[0].casefold()]
            if anchor in found:
                continue
            found.add(anchor)
            out += escape(plain[end : match.start()])
            out += Markup('<a class="word" href="#{}">{}</a>').format(anchor, match[0])
            end = match.end()
        return out + escape(plain[end:])

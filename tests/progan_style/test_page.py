"""One page: everything escaped, every figure numbered, every word of the glossary led to its meaning."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from progan_style.page import Grade, Listing, Page, Picture, Row, Section, Table, Text, Words, environment, render_page

EVIL = "<script>alert('&')</script>\"x"
VOID = {"meta", "img", "input", "br"}


def everywhere(text):
    """A page with this text in every place."""
    picture = Picture(text, text, text, text, text, text, (text,), frames=3, ends=(text, text), pixels=(2, 1))
    blocks = [picture, Table(text, (text, text), [Row(text, (text,), 1, (text,))]), Text(text), Listing(text, text)]
    blocks += [Table(text, (text, text), [], folded=True), Listing(text, text, folded=True), Text(text, note=True)]
    grade = Grade(text, text, "bad", text, text, text)
    return Page(text, [(text, text)], [grade], blocks, [Section(text, text, text, blocks)], {text: text})


class Tags(HTMLParser):
    """What a page is made of; complains where tags do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.found = [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"][1:]] if given.get("href", "").startswith("#") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(text):
    made = Tags()
    made.feed(text)
    assert not made.open
    return made


def test_whatever_is_written_is_escaped_everywhere():
    assert environment().autoescape is True
    text = render_page(everywhere(EVIL))
    assert "<script>alert" not in text and "alert(&#39;" in text and 'x"x' not in text
    made = tags(text)
    assert [tag for tag, _ in made.found].count("script") == 1  # the slider's
    assert not [name for _, given in made.found for name in given if name.startswith("on")]


def test_a_page_has_landmarks_scopes_alt_texts_and_links_that_lead_somewhere():
    picture = Picture(
        "The grid", "data:image/png;base64,AA", "Rows of slices", "4 slices", "Look.", files=("grid.svg",)
    )
    table = Table("numbers", ("number", "value"), [Row("KID", ("0.1",)), Row("low", ("0.0",), 1, ("below 0",))])
    page = Page(
        "Title",
        [("date", "today")],
        [Grade("copies", "not measured", "open", "no KID")],
        [picture],
        [Section("Near", "How near is KID?", "Near.", [table, replace(picture, title="Again")])],
        {"KID|kernel distance": "A distance."},
    )
    text = render_page(page)
    made = tags(text)
    found = [tag for tag, _ in made.found]
    assert found.count("main") == found.count("nav") == 1 and len(set(made.ids)) == len(made.ids)
    assert not set(made.links) - set(made.ids)
    assert all(given.get("alt") for tag, given in made.found if tag == "img")
    assert all(given.get("scope") in ("row", "col") for tag, given in made.found if tag == "th")
    assert "Figure 1. The grid" in text and 'class="sub"' in text and 'class="grade open"' in text
    assert "<script" not in text and re.search(r'src="(?!data:)', text) is None
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_the_first_use_of_a_word_in_a_text_leads_to_its_meaning_and_no_part_of_one():
    words = Words({"psi": "truncation", "held-out|held out": "unseen", "real": "of people"})
    made = words.linked("psi & psi, upsilon, held out, held-out, <real>, real-vs-real, fidelity.real")
    assert made.count('href="#word-psi"') == 1 and made.count('href="#word-held-out"') == 1
    assert made.count("#word-real") == 1 and "&amp; psi" in made and "&lt;<a" in made
    assert str(Words({}).linked("a<b")) == "a&lt;b"

"""What mkdocs does not know by itself: pages that lie at the top of the checkout, and links that lead out of docs/."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

REPO = Path(__file__).resolve().parents[1]
PAGES = {"SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
VALUES = ("hyperparameters.yaml", "configuration.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=_moved((REPO / name).read_text(encoding="utf-8"))))
    values = (REPO / VALUES[0]).read_text(encoding="utf-8")
    text = f"# Values of a run\n\nhyperparameters.yaml, as it is shipped.\n\n```yaml\n{values}```\n"
    files.append(File.generated(config, VALUES[1], content=text))
    return files


def _moved(text: str) -> str:
    """A page of the top, as if it lay in docs/."""
    return LINK.sub(
        lambda found: found[0] if "://" in found[2] else f"[{found[1]}](../{found[2]}{found[3] or ''})", text
    )


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links lead to the page that holds the file; of a file that no page holds the path is told."""
    here = posixpath.dirname(page.file.src_uri)

    def led(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if "://" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join("docs", here, target))  # from the top of the checkout
        holds = dict([*PAGES.items(), VALUES]).get(path, "")
        if path.startswith("docs/"):  # also where there is none: mkdocs then warns
            holds = path.removeprefix("docs/")
        if holds:
            return f"[{text}]({posixpath.relpath(holds, here or '.')}{anchor})"
        return text if text.strip("`") == path else f"{text} (`{path}`)"

    return LINK.sub(led, markdown)

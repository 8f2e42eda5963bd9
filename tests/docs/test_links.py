from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import DOCS, ROOT

if TYPE_CHECKING:
    from pathlib import Path

OF_THE_CODE = [ROOT / "CONTRIBUTING.md", DOCS / "DESIGN.md", *(DOCS / "decisions").glob("*.md")]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "bench").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_to_a_file_of_ours_leads_there(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", OF_THE_CODE, ids=lambda document: document.name)
def test_every_file_of_the_code_that_is_named_is_there(document: Path) -> None:
    code = [str(file) for folder in ("prefork", "tests", "bench") for file in (ROOT / folder).rglob("*.py")]
    names = re.findall(r"`([\w/]+\.py)\b", document.read_text())
    assert [name for name in names if not any(file.endswith(f"/{name}") for file in code)] == []

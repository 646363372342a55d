"""Draws a small picture of a document's first page, for people who look before they download."""

import logging
import warnings
from pathlib import Path

import typst

log = logging.getLogger(__name__)

NAME = ".page.png"
"""No file of a report begins with a dot, so this name is free."""
MEDIA_TYPE = "image/png"
MOST_BYTES = 1 << 20
_PPI = 48
_LONGEST_PT = 842
"""Points: the longer side of A4, which gives 561 pixels. A larger page is scaled down."""
# Typst draws the page of the finished PDF. Drawing the document itself would draw all of its pages.
_PAGE = """
#set page(width: auto, height: auto, margin: 0pt, fill: white)
#let first = image("{name}", page: 1)
#context {{
  let size = measure(first)
  scale(calc.min(100%, {longest}pt / calc.max(size.width, size.height) * 100%), reflow: true, first)
}}
"""


def draw(document: Path, picture: Path) -> None:
    """Draw the first page of the PDF as PNG. The report is complete without it, so a failure is only logged."""
    page = document.with_suffix(".page.typ")
    try:
        page.write_text(_PAGE.format(name=document.name, longest=_LONGEST_PT))
        no_fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
        compiler = typst.Compiler(str(page), root=str(document.parent), font_paths=no_fonts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = compiler.compile(format="png", ppi=_PPI)
        if isinstance(drawn, bytes) and len(drawn) <= MOST_BYTES:
            picture.write_bytes(drawn)
    except (RuntimeError, OSError) as error:  # TypstError is one
        log.warning("report.no_picture", extra={"reason": str(error)[:500]})

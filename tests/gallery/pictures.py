"""Takes pictures of files, as their readers see them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
from playwright.sync_api import Browser, ViewportSize

WIDTHS = {"wide": ViewportSize(width=1280, height=900), "phone": ViewportSize(width=375, height=812)}
_MOST_PAGES = 4
_SCALE = 1.3
"""Pixels per point of a page."""


def of_pdf(path: Path, name: str, folder: Path) -> Iterator[Path]:
    """Take the first pages, and the last one."""
    with pypdfium2.PdfDocument(path) as document:
        last = len(document) - 1
        for at in sorted({*range(min(last + 1, _MOST_PAGES)), last}):
            picture = folder / f"{name}-{at + 1}.png"
            document[at].render(scale=_SCALE).to_pil().save(picture)
            yield picture


def of_html(path: Path, name: str, folder: Path, browser: Browser) -> Iterator[Path]:
    """Take the page on a wide screen, on a phone's, in the dark, and on paper."""
    for look, size in WIDTHS.items():
        for theme in ("light", "dark") if look == "wide" else ("light",):
            with browser.new_context(viewport=size, color_scheme=theme, java_script_enabled=False) as context:
                page = context.new_page()
                page.goto(path.as_uri())
                picture = folder / f"{name}-{look}-{theme}.png"
                page.screenshot(path=picture)
                yield picture
                if (look, theme) == ("wide", "light"):
                    printed = path.with_suffix(".printed.pdf")
                    page.pdf(path=printed, prefer_css_page_size=True)
                    yield from of_pdf(printed, f"{name}-print", folder)


def of_xlsx(path: Path, name: str, folder: Path, soffice: Path) -> Iterator[Path]:
    """Take the workbook's printed pages, from LibreOffice."""
    profile = f"-env:UserInstallation=file://{path.parent}/profile"
    command = [str(soffice), "--headless", profile, "--convert-to", "pdf", "--outdir", str(path.parent / "converted")]
    subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=180)
    yield from of_pdf(path.parent / "converted" / f"{path.stem}.pdf", name, folder)

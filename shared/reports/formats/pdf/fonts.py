"""Finds the fonts of a PDF. Every one is embedded; nothing is fetched."""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import reportlab
from reportlab.pdfbase.ttfonts import TTFont

_BUNDLED = Path(reportlab.__file__).parent / "fonts"
"""The folder of Bitstream Vera, which has Latin letters and may be embedded."""
LATIN = "Bitstream Vera Sans"
# In this order; the first that is installed wins. TrueType outlines only: ReportLab cannot embed others.
_JAPANESE = (
    ("ipaexg.ttf", "IPAexGothic"),
    ("ipagp.ttf", "IPAPGothic"),
    ("ipag.ttf", "IPAGothic"),
    ("NotoSansJP-Regular.ttf", "Noto Sans JP"),
    ("DroidSansFallbackFull.ttf", "Droid Sans Fallback"),
)
_SYSTEM = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_PACKAGE = "matplotlib_fontja"
"""A package that carries IPAexGothic; only its font is used, and only where it is installed."""


def folders(wanted: Path | None) -> Sequence[Path]:
    """Return the folders in which fonts are looked for: that of the settings, the system's, a package's."""
    found = [wanted] if wanted else []
    found += _SYSTEM
    spec = importlib.util.find_spec(_PACKAGE)
    found += [Path(place) / "fonts" for place in (spec.submodule_search_locations or () if spec else ())]
    return [*(folder for folder in found if folder.is_dir()), _BUNDLED]


@functools.cache
def japanese(wanted: Path | None) -> tuple[Path, str] | None:
    """Return file and family of a font with Japanese letters, or None."""
    for folder in folders(wanted):
        for name, family in _JAPANESE:
            for path in sorted(folder.rglob(name)):
                return path, family
    return None


def families(wanted: Path | None) -> Sequence[str]:
    """Return the families for Typst and charts: the first has Latin letters, the next what the first lacks."""
    found = japanese(wanted)
    return [LATIN, *([found[1]] if found else [])]


class FontSet:
    """The fonts of one ReportLab document."""

    def __init__(self, wanted: Path | None) -> None:
        self.latin = TTFont("Latin", str(_BUNDLED / "Vera.ttf"))
        self.bold = TTFont("LatinBold", str(_BUNDLED / "VeraBd.ttf"))
        found = japanese(wanted)
        self.wide = TTFont("Wide", str(found[0])) if found else self.latin
        self._latin_glyphs = self.latin.face.charToGlyph
        self._bold_glyphs = self.bold.face.charToGlyph

    def font_for(self, text: str, *, bold: bool = False) -> TTFont:
        """Return the font that has every letter of `text`, as far as there is one."""
        glyphs = self._bold_glyphs if bold else self._latin_glyphs
        if text.isascii() or all(ord(c) in glyphs for c in text):
            return self.bold if bold else self.latin
        return self.wide

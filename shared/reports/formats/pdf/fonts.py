"""Finds the fonts of a PDF. Every one is embedded; nothing is downloaded, and the system's fonts have no effect.

One chain serves the typeset document, the charts and the long tables: each letter comes from the first font that has
it. Todoke's own faces are in `faces`, made by `python -m deploy.tools.faces`; REPORT_FONTS adds more.
"""

import copy
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import typst
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from shared.reports import charts
from shared.reports.formats.pdf.bidi import in_order
from shared.reports.formats.pdf.letters import composed, is_invisible, is_mark, needs_neighbours
from shared.reports.formats.pdf.shaping import Shaped, ShapedFont

FACES = charts.FACES
"""The folder of Todoke's own fonts."""
_BOLD_WEIGHT, _REGULAR_WEIGHT = 600, 400
_ASTRAL = re.compile(r"<([0-9A-F]{5,6})>$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Face:
    """One family of fonts."""

    family: str
    regular: Path
    bold: Path | None = None
    """None uses the regular one for bold letters."""


_FIRST = Face("Noto Sans", FACES / "NotoSans-Regular.ttf", FACES / "NotoSans-Bold.ttf")
"""Has Latin, Greek and Cyrillic letters."""
_OTHERS = (
    Face("Noto Sans JP", FACES / "NotoSansJP-Regular.ttf", FACES / "NotoSansJP-Bold.ttf"),
    *(
        Face(f"Noto Sans {script}", FACES / f"NotoSans{script}-Regular.ttf", FACES / f"NotoSans{script}-Bold.ttf")
        for script in ("Arabic", "Hebrew", "Devanagari", "Thai")
    ),
    Face("Noto Sans KR", FACES / "NotoSansKR-Regular.ttf", FACES / "NotoSansKR-Bold.ttf"),
    Face("Noto Sans SC", FACES / "NotoSansSC-Regular.ttf", FACES / "NotoSansSC-Bold.ttf"),
    Face("Noto Emoji", FACES / "NotoEmoji-Regular.ttf"),
    Face("DejaVu Sans", FACES / "DejaVuSans.ttf", FACES / "DejaVuSans-Bold.ttf"),
)


@functools.cache
def for_typst(wanted: Path | None) -> Any:
    """Return the fonts that a document may use: ours, those of the settings, and Typst's own for formulas."""
    folders = [str(folder) for folder in (wanted, FACES) if folder and folder.is_dir()]
    return typst.Fonts(include_system_fonts=False, font_paths=folders)


@functools.cache
def chain(wanted: Path | None) -> Sequence[Face]:
    """Return the families in the order in which letters are looked up.

    Those of REPORT_FONTS come after Noto Sans and before all others, so that a font for Chinese gives Chinese shapes.
    """
    return [_FIRST, *(_faces_below(wanted) if wanted and wanted.is_dir() else ()), *_OTHERS]


def _faces_below(folder: Path) -> Sequence[Face]:
    """Return the families of the folder's TrueType files. ReportLab cannot embed other outlines."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)]).fonts()
    files = [f for f in fonts if str(f.path).lower().endswith(".ttf") and f.style.lower() == "normal"]
    faces = []
    for family, members in groupby(sorted(files, key=lambda f: (f.family, str(f.path))), key=lambda f: f.family):
        found = list(members)
        regular = min(found, key=lambda f: abs(f.weight - _REGULAR_WEIGHT))
        bold = next((f for f in found if f.weight >= _BOLD_WEIGHT), None)
        faces.append(Face(family, Path(str(regular.path)), Path(str(bold.path)) if bold else None))
    return faces


class FontSet:
    """The fonts of one document, and the letters that they cannot draw."""

    def __init__(self, wanted: Path | None) -> None:
        self._chain = chain(wanted)
        self._loaded: dict[Path, TTFont | None] = {}
        self.families = [face.family for face in self._chain]
        """Names for Typst and charts."""
        self.missing: set[str] = set()
        """Letters that no font has."""
        self.latin = self._load(_FIRST.regular)
        self._fonts = {bold: _Memory(functools.partial(self._find, bold=bold)) for bold in (False, True)}
        self._widths = {bold: _Memory(functools.partial(self._width, bold=bold)) for bold in (False, True)}
        self._joins = _Memory(needs_neighbours)
        self._shaped: dict[str, ShapedFont] = {}

    def width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Return how many points the text takes in one line."""
        if self.is_joined(text):
            pieces = self.drawn(text, bold=bold)
            return sum(self.width(p, size, bold=bold) if isinstance(p, str) else p.advance * size for _, p in pieces)
        return float(sum(map(self._widths[bold].__getitem__, text))) * size

    def is_joined(self, text: str) -> bool:
        """True if the text has letters that depend on their neighbours."""
        return not text.isascii() and any(map(self._joins.__getitem__, text))

    def drawn(self, text: str, *, bold: bool = False) -> Sequence[tuple[Any, str | Shaped]]:
        """Cut a text with such letters into pieces of one font, from left to right: shaped glyphs,
        and plain letters.
        """
        found: list[tuple[Any, str | Shaped]] = []
        for piece, from_right in in_order(text):
            runs = self._words(piece, bold=bold)
            for font, letters in reversed(runs) if from_right else runs:
                plain = not from_right and not self.is_joined(letters)
                shaped = [_seen(letters)] if plain else self._shape(font, letters, from_right=from_right)
                found += [(font, one) for one in shaped]
        return found

    def runs(self, text: str, *, bold: bool = False) -> Sequence[tuple[Any, str]]:
        """Cut the text into pieces of one font each. Invisible characters are left out."""
        fonts = self._fonts[bold]
        if text.isascii() and text.isprintable():
            return [(fonts["a"], text)]
        return [(font, "".join(letters)) for font, letters in groupby(text, fonts.__getitem__) if font is not None]

    def has(self, letter: str) -> bool:
        """True if some font has the letter."""
        return any(
            font is not None and ord(letter) in font.face.charToGlyph
            for font in (self._load(face.regular) for face in self._chain)
        )

    def look_at(self, texts: Iterable[str]) -> None:
        """Note which letters of the texts no font has, for a document that Typst draws."""
        for letter in {letter for text in texts for letter in composed(text)}:
            if not letter.isspace():
                self._fonts[False][letter]

    def families_of(self, text: str) -> Sequence[tuple[str, str]]:
        """Cut the text into pieces of one family each, in reading order."""
        names = {str(face.regular): face.family for face in self._chain}
        return [(names[str(font.face.filename)], letters) for font, letters in self._words(text, bold=False)]

    def _shape(self, font: Any, letters: str, *, from_right: bool) -> Sequence[Shaped]:
        if font.fontName not in self._shaped:
            self._shaped[font.fontName] = ShapedFont(font)
        return self._shaped[font.fontName].shaped(letters, from_right=from_right)

    def _words(self, text: str, *, bold: bool) -> Sequence[tuple[Any, str]]:
        """Cut the text into pieces of one font each. Marks and joiners stay with the letter before them."""
        runs: list[tuple[Any, str]] = []
        for letter in text:
            font, hidden = runs[-1][0] if runs else None, is_invisible(letter) and not letter.isspace()
            belongs = hidden or (is_mark(letter) and font is not None and ord(letter) in font.face.charToGlyph)
            if font is None or not belongs:
                font = self._fonts[bold][letter]
            if runs and font is runs[-1][0]:
                runs[-1] = (font, runs[-1][1] + letter)
            elif font is not None:
                runs.append((font, letter))
        return runs

    def _find(self, letter: str, *, bold: bool) -> Any:
        """Return the font for the letter; None if the letter is invisible."""
        number = ord(letter)
        for face in self._chain:
            font = self._load(face.bold if bold and face.bold else face.regular)
            if font is not None and number in font.face.charToGlyph:
                return font
        if is_invisible(letter):
            return None
        first = self._load(_FIRST.bold if bold and _FIRST.bold else _FIRST.regular)
        if not self.missing:
            for own in filter(None, self._loaded.values()):
                own.face.charToGlyph = dict(own.face.charToGlyph)  # shared until here
        self.missing.add(letter)
        # A box, with a code of its own, so that the letter is copied correctly from the document.
        first.face.charToGlyph[number] = 0
        return first

    def _width(self, letter: str, *, bold: bool) -> float:
        font = self._fonts[bold][letter]
        return 0.0 if font is None else float(font.face.getCharWidth(ord(letter))) / 1000

    def _load(self, path: Path) -> Any:
        """Return the font of a file, read when a letter first needs it; None for a file that ReportLab cannot embed."""
        if path not in self._loaded:
            parsed = _parsed(path)
            made = parsed and parsed.named(f"{len(self._loaded)}-{path.stem}")
            if made and self.missing:
                made.face.charToGlyph = dict(made.face.charToGlyph)
            self._loaded[path] = made
        return self._loaded[path]


def prepare() -> None:
    """Parse the usual fonts, for all documents of this process and of those forked from it."""
    for face in (_FIRST, *_OTHERS[:1]):
        for path in filter(None, (face.regular, face.bold)):
            _parsed(path)
    for_typst(None)  # starts no thread: only a compilation does


@functools.cache
def _parsed(path: Path) -> "_Font | None":
    """Return the font of a file, without a name and not yet in any document; None if ReportLab cannot embed it."""
    try:
        font = _Font(path.stem, str(path))
    except TTFError:
        return None
    return None if "fvar" in font.face.table else font  # a variable font would show its thinnest weight


def _seen(text: str) -> str:
    """Return the text without invisible characters."""
    return "".join(letter for letter in text if letter.isspace() or not is_invisible(letter))


class _Memory(dict[str, Any]):
    """Caches what a function returns for a letter."""

    def __init__(self, find: Callable[[str], object]) -> None:
        self._find = find

    def __missing__(self, letter: str) -> object:
        found = self[letter] = self._find(letter)
        return found


class _Font(TTFont):  # type: ignore[misc] # ReportLab has no types
    """A font whose letters beyond U+FFFF can be copied: ReportLab writes their numbers where UTF-16 is needed."""

    copied: dict[int, str]
    """Codes of shaped glyphs → the text that they stand for."""

    def named(self, name: str) -> "_Font":
        """Return the same font under this name, for one document. What was parsed is shared."""
        made = copy.copy(self)
        made.fontName, made.face, made.state = name, copy.copy(self.face), WeakKeyDictionary()
        made.copied = {}
        return made

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - ReportLab's name
        super().addObjects(doc)
        for name, found in doc.idToObject.items():
            if str(name).startswith("toUnicodeCMap:"):
                found.content = _ASTRAL.sub(self._as_utf_16, found.content)

    def _as_utf_16(self, found: re.Match[str]) -> str:
        number = int(found[1], 16)
        return f"<{self.copied.get(number, chr(number)).encode('utf-16-be').hex().upper()}>"

"""`python -m deploy.tools.faces`: make the fonts of shared/reports/formats/pdf/faces anew, out of npm's packages.

Each face keeps the letters that no face before it has, without hints. Letters that need their neighbours stay in the
faces of their own scripts only, with all that joins and stacks them. Needs npm and fontTools; the same versions give
the same bytes. The packages' digests stand here, those of the faces in faces.json, and a test compares both with what
is there.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.reports.formats.pdf.fonts import FACES
from shared.reports.formats.pdf.letters import needs_neighbours

RECORD = FACES / "faces.json"
_OPEN_FONT, _BITSTREAM = "OFL-1.1", "Bitstream-Vera AND LicenseRef-Public-Domain"
_MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
"""Marks above or below any letter."""
_EMOJI = 0x1F000
_NAMES = (0, 1, 2, 3, 4, 5, 6, 13, 14, 16, 17)
"""Names that are kept in a face: family, copyright and licence."""


_TEXT, _NONE, _ALL = ("kern", "mark", "mkmk", "ccmp", "locl"), (), ("*",)
"""Layout features: for scripts with marks, for East Asian ones, and for sequences that must not be torn."""
_JOINERS = (0x200C, 0x200D, 0x25CC)
"""Joiners and non-joiners, and the circle below a mark that stands alone: every face of joined letters needs its own,
because a word is shaped in one face."""
_BLOCKS: Mapping[str, Sequence[tuple[int, int]]] = {
    "Arabic": ((0x0600, 0x06FF), (0x0750, 0x077F), (0x0870, 0x08FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE)),
    "Hebrew": ((0x0590, 0x05FF), (0xFB1D, 0xFB4F)),
    "Devanagari": ((0x0900, 0x097F), (0x1CD0, 0x1CFF), (0xA830, 0xA839), (0xA8E0, 0xA8FF)),
    "Thai": ((0x0E00, 0x0E7F),),
}
"""The blocks of Unicode whose letters are kept in a face of joined letters."""


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package of fonts."""

    name: str
    version: str
    sha256: str
    """The digest of the archive that npm packs."""
    licence: str = _OPEN_FONT
    licence_file: str = "LICENSE_FONT"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a package, and the face that is made from it."""

    package: Package
    file: str
    face: str
    features: Sequence[str]
    script: str = ""
    """One of `_BLOCKS`; empty keeps the letters of all scripts whose letters can stand alone."""


_EXPO = "@expo-google-fonts/"
_SANS = Package(_EXPO + "noto-sans", "0.4.2", "98cf14a19b8e67a0e76bfd4d5df98937b9734e6dde570bd750f2259042042548")
_JP = Package(_EXPO + "noto-sans-jp", "0.4.3", "563ee80509692e2b2f42ceae6a0b82afecb90daa1b3d025bcebdf3d9120f43a3")
_KR = Package(_EXPO + "noto-sans-kr", "0.4.3", "7614af529705ea48e8b76cb3b056b92db66b7625ef3fc97ce76366063df94d3f")
_SC = Package(_EXPO + "noto-sans-sc", "0.4.3", "0d69d0f4971d2ff574e3d93cbc218dc950bf3f3f8f8e2c008d97687ed53aee59")
_SMILEYS = Package(_EXPO + "noto-emoji", "0.4.7", "6a25fd5a4da5bb34bbc2d300531bbf32de86afd866e119314d7e358f61a6104d")
_ARABIC = Package(
    _EXPO + "noto-sans-arabic", "0.4.3", "29e966f9d48a4ce7dd3c2c4c016f29cd888089538217303fb2c87de9e7f048ed"
)
_HEBREW = Package(
    _EXPO + "noto-sans-hebrew", "0.4.1", "f82f8e852e3355521c511f2762a0130216d208d108bf4739aa977eb6a6d3012c"
)
_HINDI = Package(
    _EXPO + "noto-sans-devanagari", "0.4.1", "fb9a4c288af3829f383d945fcec350c8cdf99abf18ffe55c987c495bca42e80e"
)
_THAI = Package(_EXPO + "noto-sans-thai", "0.4.2", "44282ae7c24587e7e50f083e5db3aafa8011ac2eac1159ef62be4fc516a66165")
_DEJAVU = Package(
    "dejavu-fonts-ttf",
    "2.37.3",
    "b7013ac58f9225250619db82cfb72e99c37ca8195f2b5a06a9e6a95bc5e1c84a",
    _BITSTREAM,
    "LICENSE",
)


def _joined(package: Package, script: str) -> Sequence[Source]:
    """Return the faces of a script whose letters depend on their neighbours."""
    family = f"NotoSans{script}"
    return [
        Source(package, f"{weight}/{family}_{weight}.ttf", f"{family}-{weight[3:]}.ttf", _ALL, script)
        for weight in ("400Regular", "700Bold")
    ]


_STEPS: Sequence[Sequence[Source]] = (
    (Source(_SANS, "400Regular/NotoSans_400Regular.ttf", "NotoSans-Regular.ttf", _TEXT),
     Source(_SANS, "700Bold/NotoSans_700Bold.ttf", "NotoSans-Bold.ttf", _TEXT)),
    (Source(_JP, "400Regular/NotoSansJP_400Regular.ttf", "NotoSansJP-Regular.ttf", _NONE),
     Source(_JP, "700Bold/NotoSansJP_700Bold.ttf", "NotoSansJP-Bold.ttf", _NONE)),
    _joined(_ARABIC, "Arabic"),
    _joined(_HEBREW, "Hebrew"),
    _joined(_HINDI, "Devanagari"),
    _joined(_THAI, "Thai"),
    (Source(_KR, "400Regular/NotoSansKR_400Regular.ttf", "NotoSansKR-Regular.ttf", _NONE),
     Source(_KR, "700Bold/NotoSansKR_700Bold.ttf", "NotoSansKR-Bold.ttf", _NONE)),
    (Source(_SC, "400Regular/NotoSansSC_400Regular.ttf", "NotoSansSC-Regular.ttf", _NONE),
     Source(_SC, "700Bold/NotoSansSC_700Bold.ttf", "NotoSansSC-Bold.ttf", _NONE)),
    (Source(_SMILEYS, "400Regular/NotoEmoji_400Regular.ttf", "NotoEmoji-Regular.ttf", _ALL),),
    (Source(_DEJAVU, "ttf/DejaVuSans.ttf", "DejaVuSans.ttf", _TEXT),
     Source(_DEJAVU, "ttf/DejaVuSans-Bold.ttf", "DejaVuSans-Bold.ttf", _TEXT)),
)  # fmt: skip
"""The chain's families in order, with their weights."""


def main() -> None:
    """Write the faces, their licences and their record."""
    known: set[int] = set()
    record = []
    with tempfile.TemporaryDirectory(prefix="todoke-faces-") as name:
        for step in _STEPS:
            letters: set[int] = set()
            for source in step:
                package = _packed(source.package, Path(name))
                letters |= _make(package / source.file, source, known)
                content = (FACES / source.face).read_bytes()
                record.append(_entry(source, content))
                print(f"{source.face}: {len(content):,} bytes")
            licence = step[0].package.name.rpartition("/")[2]
            (FACES / f"{licence}.LICENCE.txt").write_bytes((package / step[0].package.licence_file).read_bytes())
            known |= letters
    RECORD.write_text(json.dumps(record, indent=2) + "\n")


def _entry(source: Source, content: bytes) -> dict[str, str]:
    package = source.package
    return {
        "face": source.face, "sha256": hashlib.sha256(content).hexdigest(), "licence": package.licence,
        "package": package.name, "version": package.version, "packageSha256": package.sha256, "file": source.file,
    }  # fmt: skip


def _packed(package: Package, folder: Path) -> Path:
    """Fetch the package once, compare its digest, and return its folder."""
    plain = package.name.removeprefix("@").replace("/", "-")
    path, unpacked = folder / f"{plain}-{package.version}.tgz", folder / plain
    if not unpacked.exists():
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != package.sha256:
            raise SystemExit(f"{package.name} {package.version} has the digest {found}, not {package.sha256}")
        with tarfile.open(path) as archive:
            archive.extractall(unpacked, filter="data")
    return unpacked / "package"


def _make(file: Path, source: Source, known: set[int]) -> set[int]:
    """Write one face, and return the numbers of its letters."""
    from fontTools import subset  # imported here, because only this function of the tools needs it

    options = subset.Options()
    options.hinting = False
    options.glyph_names = False
    options.layout_features = list(source.features)
    options.name_IDs = list(_NAMES)
    options.notdef_outline = True
    options.recalc_timestamp = False
    options.harfbuzz_repacker = False  # the same bytes, whichever version is installed
    font: Any = subset.load_font(str(file), options)
    letters = {number for number in font.getBestCmap() if _wanted(number, source, known)}
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=letters)
    subsetter.subset(font)
    subset.save_font(font, str(FACES / source.face), options)
    return letters.difference(_JOINERS) if source.script else letters


def _wanted(number: int, source: Source, known: set[int]) -> bool:
    """True for letters that can stand alone, for marks of every script, and for the parts of emoji; for a script whose
    letters cannot, for its own letters.
    """
    if source.script:
        return number in _JOINERS or any(first <= number <= last for first, last in _BLOCKS[source.script])
    if source.features is not _ALL and number in known:
        return False
    return (
        not needs_neighbours(chr(number))
        or number >= _EMOJI
        or number == 0x200D
        or any(first <= number <= last for first, last in _MARKS)
    )


if __name__ == "__main__":
    main()

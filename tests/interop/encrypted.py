"""Files with a password, in other programs: LibreOffice opens the workbook, Poppler the PDF, and neither without it.

`soffice --convert-to` takes no password, so a macro hands it over. Its import of PDF takes none from a macro either
(LibreOffice 7.4, whatever the encryption), so the PDF goes to Poppler, which that import, Evince and Okular stand on.
"""

import csv
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

PASSWORD = 'パスワード, grün & "42"'
_WRONG = PASSWORD[:-1]
CSV_FILTER = "44,34,76,1,,0,true,false,true,false"
"""Comma, quote, UTF-8, from line 1, all text quoted, no detection, contents as shown, no formulas."""

_LIBRARY = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE library:library PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "library.dtd">
<library:library xmlns:library="http://openoffice.org/2000/library" library:name="Standard" library:readonly="false"
 library:passwordprotected="false"><library:element library:name="Interop"/></library:library>
"""
_MODULE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE script:module PUBLIC "-//OpenOffice.org//DTD OfficeDocument 1.0//EN" "module.dtd">
<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Interop" script:language="StarBasic">
Sub Convert(source, target, password)
  Dim asked(1) As New com.sun.star.beans.PropertyValue
  Dim wanted(1) As New com.sun.star.beans.PropertyValue
  On Error Goto Refused
  asked(0).Name = "Hidden" : asked(0).Value = True
  asked(1).Name = "Password" : asked(1).Value = password
  wanted(0).Name = "FilterName" : wanted(0).Value = "Text - txt - csv (StarCalc)"
  wanted(1).Name = "FilterOptions" : wanted(1).Value = "{filter}"
  book = StarDesktop.loadComponentFromURL(source, "_blank", 0, asked)
  book.storeToURL(target, wanted)
  book.close(True)
  Exit Sub
Refused:
  Open target &amp; ".refused" For Output As #1
  Print #1, Error$
  Close #1
End Sub
</script:module>
"""


def rows(soffice: Path, book: Path, folder: Path, password: str) -> Sequence[Sequence[str]] | None:
    """What LibreOffice reads with the password, as it shows it; None if it refuses. Raises FileNotFoundError if it does
    neither. `folder` has the profile of an earlier run."""
    library = folder / "profile" / "user" / "basic" / "Standard"
    library.mkdir(parents=True, exist_ok=True)
    (library / "script.xlb").write_text(_LIBRARY)
    (library / "Interop.xba").write_text(_MODULE.format(filter=escape(CSV_FILTER)))
    target = folder / "opened.csv"
    refused = folder / "opened.csv.refused"
    for left in (target, refused):
        left.unlink(missing_ok=True)
    texts = ",".join('"' + text.replace('"', '""') + '"' for text in (book.as_uri(), target.as_uri(), password))
    command = [soffice, "--headless", f"-env:UserInstallation=file://{folder}/profile",
               f"macro:///Standard.Interop.Convert({texts})"]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=180)
    if refused.exists():
        return None
    with target.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def text(pdftotext: Path, document: Path, password: str) -> str | None:
    """What Poppler reads with the password; None if it refuses."""
    done = subprocess.run(
        [pdftotext, "-upw", password, document, "-"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode and "Incorrect password" not in done.stderr:
        raise subprocess.CalledProcessError(done.returncode, done.args, stderr=done.stderr)
    return None if done.returncode else done.stdout


def opened_unasked(soffice: Path, pdftotext: Path, book: Path, document: Path, folder: Path) -> list[str]:
    """Who opens a file without its password, or with another one. Nobody should."""
    return [
        f"{program} with {password!r}"
        for password in ("", _WRONG)
        for program, found in (
            ("LibreOffice", rows(soffice, book, folder, password)),
            ("Poppler", text(pdftotext, document, password)),
        )
        if found is not None
    ]

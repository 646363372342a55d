"""Characters that change or move with their neighbours, so that DuckDB can find texts that contain any."""

import re

JOINED_IN_SQL = (
    r"[\x{0300}-\x{036F}\x{0590}-\x{08FF}\x{0900}-\x{109F}\x{1100}-\x{11FF}\x{1700}-\x{18AF}\x{1900}-\x{1CFF}"
    r"\x{200D}\x{A800}-\x{ABFF}\x{FB1D}-\x{FDFF}\x{FE70}-\x{FEFC}\x{10800}-\x{10FFF}\x{11000}-\x{11FFF}"
    r"\x{1E800}-\x{1EFFF}\x{1F1E6}-\x{1F1FF}\x{1F3FB}-\x{1F3FF}]"
)
JOINED = re.compile(re.sub(r"\\x\{([0-9A-F]+)\}", lambda found: chr(int(found[1], 16)), JOINED_IN_SQL))
"""Regular expressions, of DuckDB and of Python: marks, scripts from right to left, those of South and South-East Asia,
joined emoji (Unicode 17, Scripts.txt, read 2026-11-29)."""

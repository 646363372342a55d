"""The same table by WeasyPrint, for a Python that has it: `python weasyprint_case.py OUT`, rows as JSON on stdin.

It imports nothing of Todoke, so that it runs in an environment of its own.
"""

import html
import json
import resource
import sys
from pathlib import Path


def main() -> None:
    """Typeset one table."""
    import weasyprint  # type: ignore[import-not-found, unused-ignore]

    rows = json.load(sys.stdin)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    style = "@page { size: A4; margin: 12mm } td { font: 7.5pt IPAexGothic; padding: 1px 4px }"
    document = weasyprint.HTML(string=f"<style>{style}</style><h1>注文一覧</h1><table>{body}</table>").render()
    document.write_pdf(sys.argv[1])
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "case": "weasyprint", "rows": len(rows), "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024, "file_mb": Path(sys.argv[1]).stat().st_size / 1e6,
        "pages": len(document.pages),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

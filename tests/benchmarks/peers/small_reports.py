"""What a user would write instead of a small report, in a warm process: `small_reports.py DSN TIMES` prints JSON.

Milliseconds of processor time and of wall-clock time of each, query included, as medians. The first of each is not
counted: it imports and fills caches.
"""

import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import psycopg2
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

QUERY = "SELECT * FROM delays ORDER BY carrier, month"
DPI = 150


def rows(dsn):
    conn = psycopg2.connect(dsn)
    try:
        with conn.cursor() as cursor:
            cursor.execute(QUERY)
            return pd.DataFrame(cursor.fetchall(), columns=[c.name for c in cursor.description])
    finally:
        conn.close()


def csv(dsn, folder):
    rows(dsn).to_csv(folder / "delays.csv", index=False)


def jsonl(dsn, folder):
    frame = rows(dsn)
    frame["month"] = frame["month"].astype(str)
    frame.to_json(folder / "delays.jsonl", orient="records", lines=True)


def html(dsn, folder):
    rows(dsn).to_html(folder / "delays.html", index=False)


def xlsx(dsn, folder):
    frame = rows(dsn)
    with pd.ExcelWriter(folder / "delays.xlsx", engine="xlsxwriter", date_format="yyyy-mm") as writer:
        frame.to_excel(writer, sheet_name="Delays", index=False)
        sheet, book = writer.sheets["Delays"], writer.book
        whole, tenth = book.add_format({"num_format": "#,##0"}), book.add_format({"num_format": "0.0"})
        sheet.set_column(1, 1, 28)
        for at, name in enumerate(frame.columns):
            if at > 2:
                sheet.set_column(at, at, max(12, len(name)), tenth if "delay" in name else whole)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(frame), len(frame.columns) - 1)


def _picture(figure):
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    out.seek(0)
    return out


def _charts(frame):
    numbers = frame.astype({"flights": float, "cancelled": float, "delay_total_min": float})
    by = numbers.groupby("airline")[["delay_total_min", "flights", "cancelled"]].sum()
    delay = (by["delay_total_min"] / (by["flights"] - by["cancelled"])).sort_values()
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.barh(delay.index, delay.values, color="#1d5b8f")
    axes.set_xlabel("Mean departure delay (min)")
    yield _picture(figure)
    month = numbers.groupby("month")[["delay_total_min", "flights", "cancelled"]].sum()
    figure, left = plt.subplots(figsize=(7, 2.6))
    names = [f"{m:%Y-%m}" for m in month.index]
    right = left.twinx()
    right.bar(names, 100 * month["cancelled"] / month["flights"], color="#d9a441", alpha=0.75)
    left.plot(names, month["delay_total_min"] / (month["flights"] - month["cancelled"]), color="#1d5b8f", marker="o")
    left.set_ylabel("Mean departure delay (min)")
    yield _picture(figure)


def _table(cells):
    made = Table(cells, repeatRows=1)
    made.setStyle(TableStyle([
        ("FONTSIZE", (0, 0), (-1, -1), 7), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey), ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
    ]))  # fmt: skip
    return made


def pdf(dsn, folder):
    frame, styles = rows(dsn), getSampleStyleSheet()
    story = [Paragraph("Delays by carrier and month", styles["Title"]), Spacer(1, 12)]
    for picture in _charts(frame):
        story += [Image(picture, width=480, height=220, kind="proportional"), Spacer(1, 12)]
    sums = frame.groupby("airline")[["flights", "cancelled"]].sum().reset_index()
    story.append(_table([list(sums.columns), *sums.astype(str).values.tolist()]))
    shown = frame.copy()
    shown["cancelled_share"] = [f"{float(share):.1%}" for share in shown["cancelled_share"]]
    story.append(_table([list(shown.columns), *shown.astype(str).values.tolist()]))
    SimpleDocTemplate(str(folder / "delays.pdf"), pagesize=A4).build(story)


def measured(act, dsn, times):
    with tempfile.TemporaryDirectory() as folder:
        act(dsn, Path(folder))
        cpu, wall = [], []
        for _ in range(times):
            before, began = time.process_time(), time.perf_counter()
            act(dsn, Path(folder))
            cpu.append(time.process_time() - before)
            wall.append(time.perf_counter() - began)
    return {"cpu_ms": statistics.median(cpu) * 1000, "wall_ms": statistics.median(wall) * 1000}


def main():
    dsn, times = sys.argv[1], int(sys.argv[2])
    cases = {"csv": csv, "jsonl": jsonl, "html": html, "xlsx": xlsx, "pdf": pdf}
    print(json.dumps({name: measured(act, dsn, times) for name, act in cases.items()}))


if __name__ == "__main__":
    main()

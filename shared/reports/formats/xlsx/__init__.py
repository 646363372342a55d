"""Writes large Excel workbooks fast: DuckDB renders the rows, this package frames and zips them.

`Workbook` writes the file, `row_expression` says in SQL how a row looks. Only report.py knows about reports.
"""

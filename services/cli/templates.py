"""What `todoke-server new` writes. Each report works as it is; its comments say what to change."""

REPORT = """\
# What people see of this report, and what they may ask of it. Every setting: docs/reference/catalog.md.
#   todoke-server render $name    makes it on this machine (--watch: again at each change)
#   todoke-server check           names what is wrong, with file and line
title = $title
description = "What it answers, in a sentence or two."
$source
# The first one is made when a request names none. There are csv, xlsx, parquet, jsonl, html and pdf.
formats = [$formats]

# A parameter is typed, and checked before a job is accepted. query.sql reads it as :from; it is bound, never pasted.
[parameters.from]
type = "date"
title = "First day"
default = 2026-01-01

[parameters.days]
type = "integer"
title = "Days"
description = "How many days, counted from the first."
default = 30
min = 1
max = 3660

# How columns look. One that is not listed here is shown under its own name.
[columns.day]
title = "Day"
format = "yyyy-mm-dd"
width = 12

[columns.weekday]
title = "Weekday (1 is Monday)"

[columns.amount]
title = "Amount"
unit = "EUR"
format = "#,##0.00"

# What one attempt may use. Beyond a limit the job fails with a code that says which.
[limits]
timeout_s = 60
max_rows = 100_000
"""

REPORT_PDF = """
# A PDF begins with figures, summary tables and charts: queries in DuckDB's SQL over `report`, the rows of query.sql.
[pdf.figures]
query = "SELECT count(*) AS days, sum(amount) AS total FROM report"

[pdf.figures.columns.days]
title = "Days"

[pdf.figures.columns.total]
title = "Total"
unit = "EUR"
format = "#,##0.00"

[pdf.tables.by_weekday]
title = "By weekday"
query = "SELECT weekday, sum(amount) AS amount FROM report GROUP BY weekday ORDER BY weekday"
"""

REPORT_SEVERAL = """
# A further query, queries/by_weekday.sql: a sheet, a section and a CSV file of its own, of query.sql's moment.
# It looks as [columns] says; [queries.by_weekday.columns.NAME] is for columns of its own.
[queries.by_weekday]
title = "By weekday"

[queries.by_weekday.columns.days]
title = "Days"
format = "#,##0"
"""

QUERY_BY_WEEKDAY = """\
-- The same parameters as query.sql has. `[queries.by_weekday.pivot]` in report.toml would turn rows into columns.
SELECT CAST(extract(isodow FROM :from + CAST(n AS integer)) AS integer)  AS weekday,
       count(*)                                                          AS days,
       sum(CAST(100 + (n * 37) % 101 AS numeric(12, 2)))                 AS amount
  FROM generate_series(0, :days - 1) AS numbers(n)
 GROUP BY weekday
 ORDER BY weekday
"""

QUERY = """\
-- One SELECT, which runs in a read-only transaction. This one makes its rows up: put your own tables in their place.
-- A parameter that a request leaves out and that has no default is NULL:
--     WHERE (:customer IS NULL OR customer = :customer)
-- :tenant and :requester say who asks, and no request can set them. If not everybody may see all rows:
--     WHERE tenant = :tenant
SELECT CAST(:from + CAST(n AS integer) AS date)                          AS day,
       CAST(extract(isodow FROM :from + CAST(n AS integer)) AS integer)  AS weekday,
       CAST(100 + (n * 37) % 101 AS numeric(12, 2))                      AS amount
  FROM generate_series(0, :days - 1) AS numbers(n)
 ORDER BY day  -- without ties: the same request then gives the same file
"""

PACKAGE = """\
# A package that brings the report type `$name`. Install it beside Todoke's API and worker: pip install .
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "todoke-$name"
version = "0.1.0"

# The report type's name = the class that makes it.
[project.entry-points."todoke.reports"]
$name = "$module:$class_"

[tool.setuptools]
py-modules = ["$module"]
"""

MODULE = '''\
"""The report type `$name`. What a class may say: docs/reference/python-reports.md."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.plugin import Context, Format, PythonColumn  # all that a report package imports of Todoke


class Parameters(BaseModel):
    """What a request may say. It is checked before a job is accepted."""

    model_config = ConfigDict(extra="forbid")

    first_day: Annotated[dt.date, Field(title="First day")] = dt.date(2026, 1, 1)
    days: Annotated[int, Field(ge=1, le=3660, title="Days")] = 30


class $class_:
    """Makes its rows up: put your own in their place."""

    title = $title
    description = "What it answers, in a sentence or two."
    version = "1"  # recorded on each job: change it with the code
    language = "en"  # of these texts; a document's own words, numbers and dates are in it, too
    formats = ($members)  # the first one is made when a request names none
    columns = (
        PythonColumn("day", "date", title="Day", format="yyyy-mm-dd"),
        PythonColumn("amount", "decimal", title="Amount", unit="EUR", format="#,##0.00"),
    )
    Parameters = Parameters
    # The process sees its packages and its own scratch folder only. Uncomment what it needs beyond that:
    # network = True
    # files = ("/absolute/path/of/a/file/that/it/reads",)

    def rows(self, parameters: Parameters, context: Context) -> Iterator[tuple[dt.date, Decimal]]:
        """Yield one tuple per row, one by one: memory then stays flat. context.tenant says whose rows to give."""
        for n in range(parameters.days):
            context.check_cancelled()
            yield parameters.first_day + dt.timedelta(days=n), Decimal(100 + n * 37 % 101)
'''

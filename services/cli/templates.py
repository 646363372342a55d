"""The files that `todoke-server new` writes. Each report works as it is; its comments say what to change."""

REPORT = """\
# The report type as users see it: title, formats, parameters, columns. All settings: docs/reference/catalog.md.
#   todoke-server render $name    renders it on this machine (--watch: again after each change)
#   todoke-server check           reports mistakes with file and line
title = $title
description = "What the report shows, in a sentence or two."
$source
# A request that names no format gets the first one. The formats are csv, xlsx, parquet, jsonl, html and pdf.
formats = [$formats]

# Parameters have a type and are checked before a job is accepted. query.sql uses this one as :from; values are bound,
# never pasted.
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

# How columns are displayed. A column that is not listed here keeps its name as the title.
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

# Limits of one attempt. A job that exceeds one fails with a code that names the limit.
[limits]
timeout_s = 60
max_rows = 100_000
"""

REPORT_PDF = """
# A PDF begins with figures, summary tables and charts. Their queries are in DuckDB's SQL and read `report`, the rows of
# query.sql.
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
# A further query, queries/by_weekday.sql. It gets its own sheet, section and CSV file, and reads the same snapshot as
# query.sql. [columns] applies to it, too; [queries.by_weekday.columns.NAME] describes its own columns.
[queries.by_weekday]
title = "By weekday"

[queries.by_weekday.columns.days]
title = "Days"
format = "#,##0"
"""

QUERY_BY_WEEKDAY = """\
-- It has the same parameters as query.sql. `[queries.by_weekday.pivot]` in report.toml would turn rows into columns.
SELECT CAST(extract(isodow FROM :from + CAST(n AS integer)) AS integer)  AS weekday,
       count(*)                                                          AS days,
       sum(CAST(100 + (n * 37) % 101 AS numeric(12, 2)))                 AS amount
  FROM generate_series(0, :days - 1) AS numbers(n)
 GROUP BY weekday
 ORDER BY weekday
"""

QUERY = """\
-- A single SELECT, which runs in a read-only transaction. This one generates its rows: use your own tables instead.
-- A parameter without a default is NULL if a request leaves it out:
--     WHERE (:customer IS NULL OR customer = :customer)
-- :tenant and :requester identify the caller, and no request can set them. To show tenants only their own rows:
--     WHERE tenant = :tenant
SELECT CAST(:from + CAST(n AS integer) AS date)                          AS day,
       CAST(extract(isodow FROM :from + CAST(n AS integer)) AS integer)  AS weekday,
       CAST(100 + (n * 37) % 101 AS numeric(12, 2))                      AS amount
  FROM generate_series(0, :days - 1) AS numbers(n)
 ORDER BY day  -- a unique order: the same request then gives the same file
"""

PACKAGE = """\
# A package with the report type `$name`. Install it next to Todoke's API and worker: pip install .
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "todoke-$name"
version = "0.1.0"

# The report type's name = its class.
[project.entry-points."todoke.reports"]
$name = "$module:$class_"

[tool.setuptools]
py-modules = ["$module"]
"""

MODULE = '''\
"""The report type `$name`. All attributes and methods: docs/reference/python-reports.md."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.plugin import Context, Format, PythonColumn  # a report package imports nothing else from Todoke


class Parameters(BaseModel):
    """The parameters of a request. They are checked before a job is accepted."""

    model_config = ConfigDict(extra="forbid")

    first_day: Annotated[dt.date, Field(title="First day")] = dt.date(2026, 1, 1)
    days: Annotated[int, Field(ge=1, le=3660, title="Days")] = 30


class $class_:
    """Generates its rows: replace them with your own."""

    title = $title
    description = "What the report shows, in a sentence or two."
    version = "1"  # recorded on each job: change it with the code
    language = "en"  # of these texts; a document's own words, numbers and dates are in it, too
    formats = ($members)  # a request that names none gets the first one
    columns = (
        PythonColumn("day", "date", title="Day", format="yyyy-mm-dd"),
        PythonColumn("amount", "decimal", title="Amount", unit="EUR", format="#,##0.00"),
    )
    Parameters = Parameters
    # The process can access only its packages and its own scratch folder. Uncomment what else it needs:
    # network = True
    # files = ("/absolute/path/of/a/file/that/it/reads",)

    def rows(self, parameters: Parameters, context: Context) -> Iterator[tuple[dt.date, Decimal]]:
        """Yield rows one by one, as tuples, so that memory use stays flat. context.tenant is whose rows to return."""
        for n in range(parameters.days):
            context.check_cancelled()
            yield parameters.first_day + dt.timedelta(days=n), Decimal(100 + n * 37 % 101)
'''

"""A dozen report types, with every kind of parameter, long names, and Japanese beside English."""

from collections.abc import Mapping
from pathlib import Path

_PERIOD = """
[parameters.from]
type = "date"
title = "First day"
default = 2026-01-01
[parameters.to]
type = "date"
title = "Last day"
default = 2026-12-31
"""
_JAPANESE_PERIOD = """
[locales.ja.parameters]
from = "開始日"
to = "終了日"
"""

TYPES: Mapping[str, str] = {
    "monthly-sales": """
title = "Monthly sales by region"
description = "Revenue, returns and margin of every sales region, month by month, with the same month a year before."
formats = ["pdf", "xlsx", "csv"]
[parameters.month]
type = "date"
title = "Month"
description = "Any day of it."
default = 2026-10-01
[parameters.region]
type = "choice"
title = "Region"
description = "Leave out for all of them."
choices = ["Hokkaido", "Tohoku", "Kanto", "Chubu", "Kansai", "Chugoku", "Shikoku", "Kyushu"]
[locales.ja]
title = "地域別の月次売上"
description = "各地域の売上、返品、粗利を月ごとに、前年同月と並べて。"
[locales.ja.parameters]
month = "対象月"
region = "地域"
""",
    "invoices": """
title = "Invoices"
description = "One PDF an invoice, in one archive."
formats = ["pdf", "csv"]
[parameters.customer]
type = "string"
title = "Customer number"
description = "As it stands on the contract."
required = true
pattern = "[A-Z]{2}[0-9]{6}"
[parameters.due]
type = "date"
title = "Due by"
[parameters.least]
type = "decimal"
title = "Least amount"
min = "0"
max = "99999999999.99"
[locales.ja]
title = "請求書"
description = "請求書ごとの PDF をまとめて一つの書庫に。"
[locales.ja.parameters]
customer = "顧客番号"
due = "支払期日"
least = "最低金額"
""",
    "general-ledger": f"""
title = "General ledger of all accounts, with opening balances, every posting, and the reconciliation of sub-ledgers"
description = "Ten years of postings can be asked for; beyond a million rows the workbook is split over sheets."
formats = ["xlsx", "csv", "parquet"]
{_PERIOD}
[parameters.accounts]
type = "list"
items = "string"
title = "Accounts"
description = "Leave out for all."
pattern = "[0-9]{{4,8}}"
max = 200
[locales.ja]
title = "総勘定元帳 全科目・期首残高・全仕訳・補助元帳の突合を含む"
description = "十年分まで。百万行を超えるとシートを分けます。"
{_JAPANESE_PERIOD}accounts = "勘定科目"
""",
    "stock-on-hand": """
title = "Stock on hand"
description = "What lies in which warehouse at a moment."
formats = ["csv", "xlsx"]
[parameters.at]
type = "datetime"
title = "At"
[parameters.warehouses]
type = "list"
items = "choice"
title = "Warehouses"
choices = ["Funabashi", "Kawasaki", "Komaki", "Ibaraki", "Tosu"]
[locales.ja]
title = "在庫一覧"
description = "ある時点の倉庫別在庫。"
[locales.ja.parameters]
at = "時点"
warehouses = "倉庫"
""",
    "payroll-summary": """
title = "Payroll summary"
formats = ["pdf"]
[parameters.month]
type = "date"
title = "Month"
default = 2026-10-01
[parameters.with_bonus]
type = "boolean"
title = "With bonuses"
default = false
[locales.ja]
title = "給与集計"
[locales.ja.parameters]
month = "対象月"
with_bonus = "賞与を含める"
""",
    "shipment-delays": f"""
title = "Shipment delays"
description = "Parcels that arrived late, by carrier and depot."
formats = ["html", "csv"]
{_PERIOD}
[parameters.at_least_h]
type = "integer"
title = "At least hours late"
default = 4
min = 1
max = 720
[locales.ja]
title = "配送の遅延"
description = "遅れて届いた荷物を、運送会社と拠点ごとに。"
{_JAPANESE_PERIOD}at_least_h = "何時間以上の遅れ"
""",
    "order-lines": f"""
title = "受注明細"
description = "受注の一行ごとの明細。得意先、商品、数量、単価、納期。"
formats = ["csv", "xlsx", "jsonl"]
language = "ja"
{_PERIOD}""",
    "tax-declaration": """
title = "Consumption tax declaration"
description = "Under the qualified invoice system, with both rates apart."
formats = ["pdf", "xlsx"]
[parameters.year]
type = "integer"
title = "Fiscal year"
required = true
min = 2019
max = 2030
[locales.ja]
title = "消費税申告"
description = "インボイス制度による。税率ごとに区分。"
[locales.ja.parameters]
year = "事業年度"
""",
    "web-sessions": f"""
title = "Web sessions"
formats = ["parquet", "jsonl"]
{_PERIOD}""",
    "customer-churn": f"""
title = "Customer churn"
description = "Who left, when, and what they had bought before."
formats = ["csv", "xlsx", "pdf"]
{_PERIOD}
[locales.ja]
title = "顧客の離脱"
description = "誰がいつ離れ、それまで何を買っていたか。"
{_JAPANESE_PERIOD}""",
    "warehouse-picking-performance-by-shift-and-zone-and-week": f"""
title = "Picking performance by shift and zone"
formats = ["csv"]
{_PERIOD}""",
    "ad-spend": f"""
title = "Advertising spend"
description = "By channel and campaign."
formats = ["csv", "xlsx"]
{_PERIOD}
[locales.ja]
title = "広告費"
description = "媒体とキャンペーンごと。"
{_JAPANESE_PERIOD}""",
}
"""The report.toml of each, by its name."""


def write_catalog(folder: Path) -> None:
    """Write the report types below the folder, each with a query that any PostgreSQL plans."""
    for name, report in TYPES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "report.toml").write_text(report)
        names = [line[len("[parameters.") : -1] for line in report.splitlines() if line.startswith("[parameters.")]
        given = ", ".join(f"CAST(:{each} AS text) AS {each}" for each in names)
        query = f"SELECT number, {given}\n  FROM generate_series(1, 48211) AS number\n ORDER BY number\n"
        (folder / name / "query.sql").write_text(query)

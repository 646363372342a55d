"""A repayment plan: one row per month, computed and not queried."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.plugin import Context, Format, PythonColumn

_CENT = Decimal("0.01")


class LoanParameters(BaseModel):
    """What a request may say."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[Decimal, Field(gt=0, le=10_000_000, decimal_places=2, title="Amount")]
    rate_percent: Annotated[Decimal, Field(ge=0, le=30, title="Interest a year, in percent")] = Decimal(3)
    months: Annotated[int, Field(ge=1, le=600, title="Months")] = 120


class LoanPlan:
    """Equal payments; the last one takes what rounding left."""

    title = "Repayment plan"
    description = "What is paid each month, and what is still owed."
    version = "1.0.0"
    formats = (Format.XLSX, Format.CSV, Format.PDF)
    columns = (
        PythonColumn("month", "integer", title="Month", format="0"),
        PythonColumn("interest", "decimal", title="Interest", format="#,##0.00"),
        PythonColumn("repaid", "decimal", title="Repaid", format="#,##0.00"),
        PythonColumn("owed", "decimal", title="Still owed", format="#,##0.00"),
    )
    Parameters = LoanParameters

    def rows(self, parameters: LoanParameters, context: Context) -> Iterator[tuple[int, Decimal, Decimal, Decimal]]:
        """Month by month."""
        owed, rate = parameters.amount, parameters.rate_percent / 1200
        growth = (1 + rate) ** parameters.months
        payment = owed * rate * growth / (growth - 1) if rate else owed / parameters.months
        paid = Decimal(0)
        for month in range(1, parameters.months + 1):
            context.check_cancelled()
            interest = (owed * rate).quantize(_CENT, ROUND_HALF_UP)
            repaid = owed if month == parameters.months else (payment - interest).quantize(_CENT, ROUND_HALF_UP)
            owed -= repaid
            paid += interest
            yield month, interest, repaid, owed
            context.progress(month, of=parameters.months)
        with context.attach("summary.txt", "text/plain; charset=utf-8") as file:
            file.write(f"Interest in all: {paid:,.2f}\n".encode())

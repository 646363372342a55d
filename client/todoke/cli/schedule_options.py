"""The options for the timing of a schedule, and for ticks that are missed or overlap."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from todoke.cli.durations import seconds

if TYPE_CHECKING:
    from todoke.schedule_options import ScheduleOptions

Cron = Annotated[
    str | None,
    typer.Option("--cron", metavar="FIELDS", help="Minute, hour, day, month, weekday: '0 7 * * MON'."),
]
Every = Annotated[str | None, typer.Option("--every", metavar="TIME", help="Instead of --cron: every 2h, 1d …")]
Zone = Annotated[
    str | None, typer.Option("--zone", metavar="ZONE", help="Whose clocks --cron and words mean, e.g. Asia/Tokyo.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="No tick is later; '' for no such end.")]
Jitter = Annotated[
    str | None, typer.Option("--jitter", metavar="TIME", help="Submit each job up to so much later: at most 1h.")
]
Misfire = Annotated[
    str | None,
    typer.Option("--misfire", metavar="POLICY", help="Ticks that were missed: run_once, skip, or run_all (:N).",
                 show_default=False),
]  # fmt: skip
Overlap = Annotated[
    str | None,
    typer.Option("--overlap", metavar="POLICY", help="The job before still runs: skip, queue, or cancel that one."),
]


def timed(
    cron: str | None, every: str | None, zone: str | None, until: str | None, jitter: str | None,
    misfire: str | None, overlap: str | None,
) -> "ScheduleOptions":  # fmt: skip
    """Turn the given options into ScheduleOptions; the server reports best which policies exist. Raises WrongCall."""
    found: dict[str, Any] = {"cron": cron, "time_zone": zone, "overlap": overlap}
    if every is not None:
        found["every_seconds"] = int(seconds(every, "--every"))
    if jitter is not None:
        found["jitter_seconds"] = int(seconds(jitter, "--jitter"))
    if misfire is not None:
        policy, _, most = misfire.partition(":")
        found |= {"misfire": policy, "misfire_most": _whole(most) if most else None}
    given = {name: value for name, value in found.items() if value is not None}
    if misfire is not None:
        given["misfire_most"] = found["misfire_most"]
    if until is not None:
        given["until"] = until or None
    return cast("ScheduleOptions", given)


def _whole(text: str) -> int:
    from todoke.cli.exits import WrongCall

    if not text.isdecimal():
        raise WrongCall(f"--misfire run_all:{text}: write how many, such as run_all:5")
    return int(text)

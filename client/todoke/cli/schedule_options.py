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
Every = Annotated[
    str | None, typer.Option("--every", metavar="TIME", help="A fixed interval instead of --cron: 2h, 1d …")
]
Zone = Annotated[
    str | None, typer.Option("--zone", metavar="ZONE", help="Time zone for --cron and relative dates, e.g. Asia/Tokyo.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="No ticks after this time; '' removes the end.")
]
Jitter = Annotated[
    str | None, typer.Option("--jitter", metavar="TIME", help="Random delay for each job, up to this: at most 1h.")
]
Misfire = Annotated[
    str | None,
    typer.Option("--misfire", metavar="POLICY", help="Policy for missed ticks: run_once, skip, or run_all (:N).",
                 show_default=False),
]  # fmt: skip
Overlap = Annotated[
    str | None,
    typer.Option(
        "--overlap", metavar="POLICY", help="If the previous job is still running: skip, queue, or cancel it."
    ),
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

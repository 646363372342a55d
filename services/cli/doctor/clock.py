"""Compares clocks. Leases depend on the database's clock; AWS signatures, logs and certificates on the machine's."""

from collections.abc import Iterator

from services.cli.doctor.finding import Finding, fail, ok, warn

_REMEDY = "synchronise the clocks with a time service (chrony, systemd-timesyncd)"
_WARN_S = 5.0
REFUSED_S = 300.0
"""AWS refuses a signature that is older than this (SigV4, "elements of a request", read 2026-11-29)."""


def compared(check: str, whose: str, ahead_s: float, *, most_s: float | None = None) -> Iterator[Finding]:
    """Yield the difference between the clock of `whose` and this machine's; it is a failure if it exceeds `most_s`."""
    away = f"the clock of {whose} is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    if most_s is not None and abs(ahead_s) > most_s:
        yield fail(check, f"{away}: requests are refused", _REMEDY)
    elif abs(ahead_s) > _WARN_S:
        yield warn(check, away, _REMEDY)
    else:
        yield ok(check, f"the clock of {whose} and this machine's agree")

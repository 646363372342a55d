"""File sizes for people."""


def size(count: int) -> str:
    """Format a size in bytes, kilobytes or megabytes."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"

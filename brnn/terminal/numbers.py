"""Numbers, sizes and durations as text."""

from numbers import Integral


def duration(seconds: float) -> str:
    """Format seconds in the largest of s, min, h that gives about 2 or more."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(size: float) -> str:
    """Return bytes in KiB, or in MiB from one MiB."""
    return f"{size / 2**10:,.1f} KiB" if size < 2**20 else f"{size / 2**20:,.1f} MiB"


def number(value: float | None) -> str:
    """Return a whole number with separators, another with four digits, and nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"

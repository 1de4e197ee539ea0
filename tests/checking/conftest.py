"""Real recordings, where there are any."""

from real_recordings import real_data

__all__ = ["real_data"]

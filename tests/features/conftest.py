"""One tiny cohort and one encoder for all tests here."""

from tiny_people import cohort, model

__all__ = ["cohort", "model"]

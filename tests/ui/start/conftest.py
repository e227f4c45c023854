"""A browser for the tests of the lesson."""

from e2e.conftest import browser

__all__ = ["browser"]

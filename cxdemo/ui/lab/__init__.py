"""The loss lab."""

"""The experiment with misaligned data."""

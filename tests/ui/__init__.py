"""Tests of the page, with pipelines that answer at once."""

"""Tests of the lesson on the page."""

"""Tests of the lesson's numbers and texts."""

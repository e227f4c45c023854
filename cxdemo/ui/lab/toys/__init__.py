"""Toys that run in a second."""

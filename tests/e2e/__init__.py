"""Tests of the running app: as a program calls it, and in a browser."""

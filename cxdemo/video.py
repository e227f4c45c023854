"""Clips: files to frames and back."""

"""The patch similarity tab."""

"""The face to face tab."""

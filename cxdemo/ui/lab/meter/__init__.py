"""The misalignment meter."""

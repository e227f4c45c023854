"""One face with the features of another."""

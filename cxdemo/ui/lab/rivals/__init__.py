"""Five losses that paint one picture in one style."""

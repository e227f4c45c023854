"""The first tab: the lesson in seven steps."""

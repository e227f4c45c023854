"""The guided path: its numbers, its texts in two languages, exercises, a notebook."""

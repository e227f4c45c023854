"""Commands of `python -m cxdemo` that have a file of their own."""

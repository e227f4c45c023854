"""Measurements that anyone can repeat: `python -m cxdemo bench NAME`."""

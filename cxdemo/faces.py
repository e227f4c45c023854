"""Find, align, mask and paste back faces."""

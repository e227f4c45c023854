"""Examples with finished results, and how these are made."""

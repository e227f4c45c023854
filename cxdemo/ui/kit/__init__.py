"""What the tabs are built from. It knows none of them."""

"""What the tabs and the command line run: images and a configuration in, steps out."""

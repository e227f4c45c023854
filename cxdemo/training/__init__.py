"""Commands that made the files of `checkpoints/`. The app never imports this package."""

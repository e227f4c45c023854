"""Pictures of numbers: overlays, heat maps, charts, sheets for slides and papers."""

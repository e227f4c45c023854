"""One file a tab, each with a `build(ctx)` that adds the tab's components and wires its events."""

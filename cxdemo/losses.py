"""What the Contextual Loss is compared with."""

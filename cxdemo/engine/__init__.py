"""What everything works with: the device, the networks that are kept, weights on their way."""

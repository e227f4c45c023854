"""Special cases of the loss: the perceptual loss, and the KL view."""

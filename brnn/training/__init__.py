"""Training: compiled steps, the loop over epochs, and what they are made of."""

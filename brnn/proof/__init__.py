"""What a solver decides: whether any perturbation within a budget changes the class."""

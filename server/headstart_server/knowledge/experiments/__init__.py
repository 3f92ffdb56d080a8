"""Records experiments, numbers them, and reads them back."""

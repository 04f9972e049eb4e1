"""Networks as torch modules, and the loading of their weights."""

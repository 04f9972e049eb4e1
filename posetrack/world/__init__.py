"""A world in which everything is known: people, scenes, and pictures of them with exact truth."""

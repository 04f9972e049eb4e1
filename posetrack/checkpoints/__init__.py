"""Weight files: reading, recognising, loading and converting them; nothing in them is run."""

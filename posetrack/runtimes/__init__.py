"""Running networks: one library a file, each behind a session that takes a batch, gives arrays."""

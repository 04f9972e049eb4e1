"""What stands around people: ground, walls, furniture, things that look like people."""

"""Bodies: bones, skin, hair and clothes, drawn at random or as given."""

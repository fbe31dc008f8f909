"""Pages for people, in simplified Chinese; each loads nothing from anywhere."""

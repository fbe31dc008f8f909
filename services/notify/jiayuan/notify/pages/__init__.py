"""Pages for people, in simplified Chinese and English; each loads nothing from anywhere."""

"""The marshmallow schema of every event's `data`; the words are those of the design."""

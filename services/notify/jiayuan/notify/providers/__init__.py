"""Who carries notices to people: an interface and its providers."""

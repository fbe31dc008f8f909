"""HTTP, a module a theme."""

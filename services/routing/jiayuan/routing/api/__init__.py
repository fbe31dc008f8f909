"""HTTP: a module a group, each with its entrypoints as a mixin class that `service.py` takes in."""

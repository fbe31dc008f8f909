"""Fixtures for tests on real servers: a database of its own and a virtual host of its own for each test."""

"""The channels: an adapter a module, each with its tests and its page in docs/channels.

An adapter turns what its channel sends into `report.Submission`s and hands them to `handlers.receive`; the core
(`handlers`, `report`, `store`) knows none of them by name. What an adapter answers by HTTP is a mixin class with
`@http(…)` methods, and `service.py` puts them together.
"""

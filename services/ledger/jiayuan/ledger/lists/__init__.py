"""The quarter's three lists, pure: demand 需求清单 by community, problem 问题清单 by street, service 服务清单 by units.

No SQL, no bus, no clock of their own; what a transaction does with them is in `listing` and `claiming`.
"""

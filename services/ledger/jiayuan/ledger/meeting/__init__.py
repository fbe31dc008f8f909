"""The joint meeting 聯席會議 of a street in a quarter: agenda, decisions, who signs, and the minutes as documents.

Nothing here reads or writes a database; `meetings` does.
"""

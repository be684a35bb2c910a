"""Measures of what negotiations came to: pure functions on arrays, then means over topics and paired comparisons.

Every method is measured by its first and last words alone (``negotiation.outcome.Outcome``). What cannot be known is missing
and counted, never a number.
"""

"""Ways to a consensus that are no game, on the same agents and from the same first statements.

config.py       settings
prompts.py      what is asked
sitting.py      one method at one table: asking, clocks, the record
debate.py       turns with the whole dialogue in view, until all agree
consultancy.py  each answers once, told only who the others are
mediator.py     a neutral model proposes, the sides rank, the Schulze method decides
"""

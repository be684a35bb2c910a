"""Bargaining over the guidelines of a finished negotiation, as an extensive-form game and its solutions.

stakes.py      offers, private utilities, walk-away values, discount
offers.py      which guidelines of a record are bargained about, and what they are worth to whom
game.py        the OpenSpiel game ``concordat_bargaining``; importing it registers the game
solutions.py   Nash's and Kalai and Smorodinsky's solutions
tree.py        any OpenSpiel game of turns, enumerated once in sequence form
meta.py        meta-solvers: our solvers on the empirical game of policies
psro.py        policy-space response oracles over a tree, with oracles and meta-solvers to choose
outcomes.py    what a profile of policies comes to, beside the solutions and the one-shot consensus
"""

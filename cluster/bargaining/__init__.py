"""Learned best responses, and the command that bargains over the guidelines of finished negotiations.

environment.py  any OpenSpiel game of turns as RLlib's environment: one player learns, the others play drawn policies
module.py       the network of a policy, which cannot take an illegal action
oracle.py       proximal policy optimisation as the oracle of ``negotiation.bargaining.psro``
"""

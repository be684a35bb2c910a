"""Learned best responses, and the command that bargains over the guidelines of finished negotiations.

environment.py  any OpenSpiel game of turns as RLlib's environment: one player learns, the others play drawn policies
module.py       the network of a policy, which cannot take an illegal action
runner.py       RLlib's runner of environments, with leaner metrics
oracle.py       proximal policy optimisation as the oracle of ``negotiation.bargaining.psro``
play.py         a person against the policies, at the terminal
bargain.py      one negotiation bargained over
policies.py     policies on disk, and what they do next
command.py      ``concordat bargain``: settings, folder, resumption
summary.py      all negotiations together; figures.py, page.py, picture.py and terminal.py show it
"""

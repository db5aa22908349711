"""A site under load, with workers and connections that die, held against a model of who has which right.

``python -m tests.load --minutes 10 --workers 4 --database postgresql`` from the top of a checkout; see ``--help``.
"""

"""SQLAlchemy's names of databases that are alike."""

MYSQL = ("mysql", "mariadb")
"""Which of them it is depends on the URL."""

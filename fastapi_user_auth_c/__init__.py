"""Users, login, role-based permissions and an admin site for FastAPI, decided in C."""

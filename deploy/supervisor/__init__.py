"""What manage.py does. Standard library only: it must work when the environment is broken."""

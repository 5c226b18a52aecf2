"""`make init`: what docker-compose.yml needs before its first start. Standard library only."""

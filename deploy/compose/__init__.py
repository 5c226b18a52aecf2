"""Operate docker-compose.yml: build, start and wait, stop, look. Standard library only."""

"""Basics that all other packages use: argument checks, tables, memory, forks, configuration."""

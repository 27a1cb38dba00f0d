"""What every other room stands on: argument checks, tables, memory, forks, configuration."""

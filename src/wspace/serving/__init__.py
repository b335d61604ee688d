"""Models over HTTP: `wspace serve` for programs, and what its server shares with the studio's."""

"""A workflow folder to begin with: template/ has its files as they are made, but for the names in its README."""

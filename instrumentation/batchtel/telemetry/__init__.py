"""The providers, instruments and handlers of one process, and what runs at its end."""

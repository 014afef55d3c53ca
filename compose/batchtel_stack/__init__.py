"""The running stack: programs built from Go modules, started and stopped on loopback; the demo."""

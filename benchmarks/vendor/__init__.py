"""What the vendor publishes with azure-ai-projects, run unmodified against the emulator."""

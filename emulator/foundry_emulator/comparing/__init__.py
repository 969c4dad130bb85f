"""Sends recorded exchanges of the real service again and says where the emulator answers otherwise."""

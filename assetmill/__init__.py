"""Pipelines of agent runs on Azure AI Foundry whose pictures and files stay editable for ever."""

__version__ = "0.1.0"

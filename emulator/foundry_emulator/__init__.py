"""An embedded Foundry project: the wire protocol, done for real on this machine, without a model.

Nothing of the pipeline is imported here, so that a bug of the client cannot hide behind the same bug in
the service that witnesses it.
"""

"""What an endpoint tells of its quotas: by the answers that came anyway, else by one that waits on the line.

Recorded: `x-ratelimit-*` come with foreground answers and hardly any other, which a pipeline posts last. So
the free reads and the probes before are looked at first; only when none told is one more answer posted.
"""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.agents.gateway import Finding, ResponseRequest
from assetmill.agents.told_limits import told_limits
from assetmill.errors import BudgetExceeded, ServiceError
from assetmill.stage.probe_money import probe_call
from assetmill.stage.probing import Prober


def probe_rates(prober: Prober) -> Iterator[Finding]:
    """Tell which limits the endpoint's headers name; posts one tiny answer when no other has told."""
    model = prober.services.settings.foundry.model
    if not told_limits(prober.rates):
        call = probe_call(prober.services, "limits", "Say ok.")
        yield Finding("probe", "ok", f"limits, by an answer on the line: {prober.purse.told(call)}")
        try:
            conversation_id = prober.services.gateway.create_conversation({})
            message = {"type": "message", "role": "user", "content": call.prompt}
            agent = prober.agent("Answer with one word.")
            prober.finish(
                prober.post(call, ResponseRequest(agent, conversation_id, (message,), {}, way="foreground"))
            )
        except (BudgetExceeded, ServiceError) as error:
            yield Finding("quota", "warning", f"the limits of {model} were not told: {error}")
            return
    limits = told_limits(prober.rates)
    if not limits:
        advice = f"write what the portal shows under [quota.deployments.{model}] in the profile"
        yield Finding("quota", "warning", f"no answer names the limits of {model}", advice)
        return
    shown = ", ".join(f"{limit:g} {name}" for name, limit in limits.items())
    prober.services.learn_limits(model, prober.rates)
    known = prober.services.settings.quota.deployments.get(model)
    lines = ", ".join(f"{name} = {limit:g}" for name, limit in limits.items())
    advice = (
        ""
        if known
        else f"a plan assumes it for a week; to keep it: [quota.deployments] {model} = {{ {lines} }}"
    )
    yield Finding("quota", "ok", f"{model}: {shown} a minute, by the headers of an answer", advice)

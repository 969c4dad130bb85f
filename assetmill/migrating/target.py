"""The model that is gone over to, and which stages go."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from assetmill.errors import InvalidInput
from assetmill.spec.chat_models import ChatModel, load_chat_models
from assetmill.spec.image_models import ImageModel, load_image_models
from assetmill.spec.reading import nearest


class NewModel(NamedTuple):
    """A model of either table. `only_from`: stages with another model than that stay as they are.

    `deployment` is what the model deployment is called where it is not called as its model.
    """

    name: str
    image: ImageModel | None = None
    chat: ChatModel | None = None
    only_from: str | None = None
    deployment: str | None = None

    @property
    def pin(self) -> str:
        """What a stage's own pin says: of chat models the deployment, which requests name."""
        return (self.deployment or self.name) if self.chat else self.name

    def takes(self, model: str) -> bool:
        """Whether a stage with that model goes over."""
        return model != self.pin and (self.only_from is None or model == self.only_from)


def find_target(name: str, configs: Path, *, only_from: str | None, deployment: str | None) -> NewModel:
    """Return the model of that name.

    Raises:
        InvalidInput: no table has it, or the image tool cannot draw with it.
    """
    images, chats = load_image_models(configs), load_chat_models(configs)
    image, chat = images.find(name), chats.get(name)
    if image is None and chat is None:
        hint = (
            nearest(name, (*images.rows, *chats)) or "a row in chat_models.toml or image_models.toml adds it"
        )
        raise InvalidInput(f"no table has a model {name!r}: {hint}")
    if image and not image.is_tool:
        raise InvalidInput(f"{name} is no model of the image tool: no stage can draw with it")
    if image:
        image = image._replace(name=name)
    return NewModel(name, image, chat, only_from, deployment)

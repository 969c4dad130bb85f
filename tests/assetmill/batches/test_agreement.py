"""Whether another machine would make the same of a batch: whatever decides a stage counts, time does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetmill.batches.agreement import check_terms, terms_of
from assetmill.batches.opening import Batch, BatchOrder, prepare_shard, store_start
from assetmill.errors import InvalidSettings
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.batchworks import carry_out, plan_batch, products
from tests.doubles import png
from tests.millworks import PICTURE, painter, services_on, settings_in

POSTER = f"""
name: poster
parameters:
  product: {{title: Product}}
stages:
  - name: scene
    prompt: Draw {{{{ product }}}}.{PICTURE % "scene"}
    inputs: [{{file: logo.png}}]
  - name: night
    prompt: Draw it again at night.{PICTURE % "night"}
    inputs: [{{from: scene}}]
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = settings_in(tmp_path, poster=POSTER)
    logo(settings.configs).write_bytes(png(8, 8))
    services = services_on(settings, MemoryStore(), painter())
    yield services
    services.close()


def logo(configs: Path) -> Path:
    return configs / "pipelines" / "logo.png"


def planned(services: Services, folder: Path) -> Batch:
    batch = plan_batch(services, products(folder, "a mug", "a lamp"), "poster")
    store_start(batch)
    return batch


def elsewhere(batch: Batch, services: Services) -> Batch:
    order = BatchOrder("", "", name=batch.batch_id, allows_bad_rows=True)
    return prepare_shard(order, batch.content, services, first=0, last=len(batch.plans))


def test_what_was_made_meanwhile_changes_nothing(services: Services, tmp_path: Path) -> None:
    batch = planned(services, tmp_path)
    terms = terms_of(batch)
    assert set(terms) == {"scene", "night"}
    carry_out(batch, slice(0, 1), is_sealed=False)
    check_terms(elsewhere(batch, services), terms)


def draw_another_logo(services: Services) -> Services:
    logo(services.settings.configs).write_bytes(png(9, 9))
    return services


def lose_the_logo(services: Services) -> Services:
    logo(services.settings.configs).unlink()
    return services


def have_another_model(services: Services) -> Services:
    foundry = services.settings.foundry.model_copy(update={"model": "gpt-4.1"})
    return dataclasses.replace(services, settings=services.settings.model_copy(update={"foundry": foundry}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (draw_another_logo, "something else of stage 'scene' here"),
        (have_another_model, "something else of stages 'night', 'scene' here"),
        (lose_the_logo, "cannot run here"),
    ],
)
def test_a_machine_refuses_that_would_make_something_else_from_the_same_pipeline_file(
    services: Services, tmp_path: Path, change: Callable[[Services], Services], told: str
) -> None:
    batch = planned(services, tmp_path)
    terms = terms_of(batch)
    with pytest.raises(InvalidSettings, match=told):
        check_terms(elsewhere(batch, change(services)), terms)

"""What a storm makes: pipelines that between them use every way in which a stage can end."""

from __future__ import annotations

CARD = """
name: card
parameters:
  title: {title: Title, default: harbour}
  colour: {title: Colour, default: teal}
defaults: {quality: low}
stages:
  - name: backdrop
    prompt: Draw a calm sky over the sea. No lettering.
    tools: [{type: image_generation, size: 1024x1024}]
    outputs: [{name: backdrop.png}]
  - name: hero
    prompt: Draw a {{ colour }} lighthouse for the {{ title }}.
    tools: [{type: image_generation, size: 1024x1024, partial_images: 1}]
    outputs: [{name: hero.png}]
  - name: night
    prompt: "Edit this picture: make it night over the {{ title }}."
    tools: [{type: image_generation, action: edit}]
    inputs: [{from: hero, as: picture}]
    outputs: [{name: night.png}]
"""
NOTES = """
name: notes
parameters:
  place: {title: Place, default: Bergen}
stages:
  - name: table
    prompt: |
      Run this Python code as it is and give me {{ place }}.csv.

      ```python
      from pathlib import Path
      Path("/mnt/data/{{ place }}.csv").write_text("place,lamps\\n{{ place }},{{ place | length }}\\n")
      print("written")
      ```
    tools: [code_interpreter]
    outputs: [{name: "{{ place }}.csv"}]
  - name: words
    prompt: Write one short slogan for the lamps of {{ place }}.
    needs: [table]
"""
STOCK = """
name: stock
parameters:
  article: {title: Article, default: teal mug}
defaults: {quality: low}
stages:
  - name: ask
    prompt: What is the stock count of the article "{{ article }}"?
    tools: [{type: function, function: "warehouse:stock_count", timeout_s: 20}]
  - name: picture
    prompt: Draw the {{ article }} on a shelf.
    tools: [{type: image_generation, size: 1024x1024}]
    needs: [ask]
    outputs: [{name: shelf.png}]
"""
PICKY = """
name: picky
parameters:
  thing: {title: Thing, default: boat}
defaults: {quality: low}
stages:
  - name: poster
    prompt: Draw a red {{ thing }}.
    tools: [{type: image_generation, size: 1024x1024}]
    reroll: 1
    outputs: [{name: poster.png, checks: {palette: {colours: ["#ff0000"], distance: 1, share: 0.99}}}]
  - name: dusk
    prompt: "Edit this picture: make it dusk."
    tools: [{type: image_generation, action: edit}]
    inputs: [{from: poster, as: picture}]
    outputs: [{name: dusk.png}]
"""
WAREHOUSE = '''
import time


def stock_count(article: str) -> int:
    """Get the stock count of an article."""
    time.sleep(0.3)
    return 40 + len(article)
'''
PIPELINES = {"card": CARD, "notes": NOTES, "stock": STOCK, "picky": PICKY}
"""`picky` draws what its check never takes: a person accepts what there is, or gives up."""

PARAMETERS = {
    "card": {"title": ("harbour", "mill", "pier", "quay"), "colour": ("teal", "navy", "red", "gold")},
    "notes": {"place": ("Bergen", "Oslo", "Molde", "Narvik")},
    "stock": {"article": ("teal mug", "oak bowl", "red jug", "glass")},
    "picky": {"thing": ("boat", "kite", "bell")},
}
TABLES = {
    "small": "row,title,colour\na,harbour,teal\nb,mill,navy\nc,pier,red\n",
    "large": "row,title,colour\na,harbour,teal\nb,mill,navy\nd,quay,teal\n"
    "e,reef,navy\nf,sound,gold\ng,cape,red\nh,fjord,teal\n",
}

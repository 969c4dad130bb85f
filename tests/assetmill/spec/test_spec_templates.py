from __future__ import annotations

import time
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assetmill.spec.templates import TemplateProblem, compile_template

VALUES: dict[str, Any] = {
    "product": "O'Neil <lamp>",
    "count": 3,
    "page": {"title": "One", "items": 2},
    "names": ["a", "b"],
}


def render(source: str) -> str:
    return compile_template(source).render(VALUES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain { text }", "plain { text }"),
        ("{{ product }}\n", "O'Neil <lamp>\n"),
        ("{{page.title}}/{{ page.items }}", "One/2"),
        ("{{ product | tojson }}", '"O\'Neil <lamp>"'),
        ("{{ product|upper }}", "O'NEIL <LAMP>"),
        ("{{ count + 1 }}", "4"),
        ("{% for n in names %}{{ loop.index }}{{ n }}{% endfor %}", "1a2b"),
        ("{{ names | join(', ') }}", "a, b"),
        ("{{ page['title'] }}{{ names[1] }}", "Oneb"),
        ("{% if count > 2 %}many{% endif %}", "many"),
        ("{{ page.items * 2 }}", "4"),
    ],
)
def test_templates_render(source: str, text: str) -> None:
    assert render(source) == text


pieces = st.sampled_from(
    [
        "{{ product }}",
        "{{product}}",
        "{{ page.title}}",
        "{{ count|tojson }}",
        "}}",
        "{ {",
        "\n",
        "a b",
        "{{ names }}",
    ]
)


@settings(max_examples=80)
@given(source=st.lists(pieces, max_size=8).map("".join))
def test_the_short_way_writes_what_jinja_writes(source: str) -> None:
    plain = jinja2.Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 prompts are no HTML
    try:
        expected = plain.from_string(source).render(VALUES)
    except jinja2.TemplateSyntaxError:
        with pytest.raises(TemplateProblem):
            render(source)
        return
    assert render(source) == expected


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ product.__class__.__mro__ }}",
    "{{ names.append(1) }}",
    "{{ page.update(1) }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ joiner }}",
    "{{ namespace(a=1) }}",
    "{{ page|attr('__class__') }}",
    "{{ names|map('attr', 'x')|list }}",
    "{{ product.format(1) }}",
    "{{ '%s' % product }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% macro m() %}{% endmacro %}",
    "{% set a = product ~ product %}",
    "{{ range(100000) | list }}",
    "{{ product|pprint }}",
    "{{ dict(a=1) }}",
    "{% for a in names %}{% for b in names %}{% for c in names %}x{% endfor %}{% endfor %}{% endfor %}",
    "{{ product|replace('e', 'x' * 10) }}",
    "{{ names|map('format')|list }}",
    "{{ product|xmlattr }}",
    "{{ loop.__class__ }}",
    "{% for n in names %}{{ loop.__class__ }}{% endfor %}",
    "{{ (product|upper).zfill(9) }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_gets_out_of_a_template(source: str) -> None:
    with pytest.raises(TemplateProblem):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}xxxxxxxx{% endfor %}{% endfor %}",
        "{{ product|replace('', 'y') }}" * 3000 + "{% if 1 %}{% endif %}",
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}" + "x" * 70_000,
    ],
)
def test_output_and_time_are_bounded(source: str) -> None:
    start = time.process_time()
    with pytest.raises(TemplateProblem):
        render(source)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("a\n{{ prodct }}", "template names an unknown variable 'prodct'", 1),
        ("a\n{{ page.titel }}", "template names an unknown variable 'page.titel'", 1),
        ("a\n{% if prodct %}{% endif %}", "'prodct' is undefined", 2),
        ("a\nb\n{{ product", "unexpected end of template", 3),
        ("{{ product | upperr }}", "no filter 'upperr'", 1),
    ],
)
def test_problems_say_what_and_where(source: str, message: str, line: int) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render(source)
    assert message in caught.value.message
    assert caught.value.line == line


def test_a_template_names_its_variables_and_their_attributes() -> None:
    template = compile_template(
        "{{ a.b }} {% for x in stages.hero.outputs %}{{ x.name }}{% endfor %} {{ c['d'] }}"
    )
    assert template.names == {"a", "stages", "c"}
    assert template.attributes("stages") == {"hero"}
    assert template.attributes("c") == {"d"}

"""What must work inside: a notebook cell with files, tables, pictures and plots."""

from __future__ import annotations

import io
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from foundry_emulator.interpreter.code import CodeOutcome, Sandbox
from PIL import Image

pytestmark = pytest.mark.server


def printed(outcome: CodeOutcome) -> str:
    assert outcome.error is None, (outcome.error, outcome.logs)
    return outcome.logs


def test_cell_behaves_like_a_notebook(sandbox: Sandbox, data: Path) -> None:
    code = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nx = __name__\nx, 'é'"
    assert sandbox.run(code, data) == CodeOutcome("one\ntwo\n('__main__', 'é')\n")


def test_trailing_semicolon_and_none_show_nothing(sandbox: Sandbox, data: Path) -> None:
    assert sandbox.run("41;", data) == CodeOutcome("")
    assert sandbox.run("print()", data) == CodeOutcome("\n")


def test_traceback_shows_the_cell_alone(sandbox: Sandbox, data: Path) -> None:
    outcome = sandbox.run("def f():\n    return {}['k']\nf()", data)
    assert outcome.logs.startswith(
        'Traceback (most recent call last):\n  File "<cell>", line 3, in <module>\n    f()\n'
    )
    assert "cell.py" not in outcome.logs
    assert outcome.logs.endswith("KeyError: 'k'\n")


def test_traceback_through_our_own_functions_does_not_show_them(sandbox: Sandbox, data: Path) -> None:
    logs = sandbox.run(
        "try:\n    open('/mnt/data/no')\nexcept OSError:\n    open('/mnt/data/none')", data
    ).logs
    assert logs.count('File "<cell>"') == logs.count("File ") == 2


@pytest.mark.parametrize(
    "code",
    [
        "open('/mnt/data/out', 'w').write('x')",
        "open('out', 'w').write('x')",
        "kept = open('/mnt/data/out', 'w'); kept.write('x')",
        "import pathlib; pathlib.Path('/mnt/data/out').write_text('x')",
        "import pathlib; pathlib.Path('/mnt/data', '../data/out').write_text('x')",
        "import os; fd = os.open('/mnt/data/out', os.O_CREAT | os.O_WRONLY); os.write(fd, b'x')",
        "import os; os.chdir('/tmp'); open('/mnt/data/out', 'w').write('x')",
        "import os; os.chdir('/tmp'); os.chdir('/mnt/data'); open('out', 'w').write('x')",
        "import os; open(os.path.join(os.getcwd(), 'out'), 'w').write('x')",
        "import os; open(os.path.realpath('/mnt/data/out'), 'w').write('x')",
        "import shutil; open('/tmp/t', 'w').write('x'); shutil.move('/tmp/t', '/mnt/data/out')",
        "import shutil; open('/tmp/t', 'w').write('x'); shutil.copy2('/tmp/t', '/mnt/data/out')",
        "import os; open('/mnt/data/t', 'w').write('x'); os.replace(src='/mnt/data/t', dst='/mnt/data/out')",
        "import tempfile, shutil; t = tempfile.mkdtemp(); open(t + '/t', 'w').write('x'); "
        "shutil.copy(t + '/t', 'out')",
        "import zipfile\nz = zipfile.ZipFile('/tmp/z', 'w'); z.writestr('out', 'x'); z.close()\n"
        "zipfile.ZipFile('/tmp/z').extractall('/mnt/data')",
        "import io; io.FileIO('/mnt/data/out', 'w').write(b'x')",
        "import threading; threading.Thread(target=lambda: open('/mnt/data/out', 'w').write('x')).start()",
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', \"open('out', 'w').write('x')\"], check=True)",
    ],
)
def test_every_way_to_write_lands_in_the_work_directory(sandbox: Sandbox, data: Path, code: str) -> None:
    outcome = sandbox.run(f"_ = None\n{code}\n_", data)
    assert outcome.files == (("out", b"x"),), outcome


def test_work_directory_lists_under_its_own_name(sandbox: Sandbox, data: Path) -> None:
    (data / "a.txt").write_text("1")
    code = (
        "import os, glob, pathlib\n"
        "print(os.getcwd(), os.listdir('/mnt/data'), glob.glob('/mnt/data/*'))\n"
        "print(os.path.exists('/mnt/data/a.txt'), os.path.isdir('/mnt/data'), [*os.walk('/mnt/data')])\n"
        "print([str(p) for p in pathlib.Path('/mnt/data').iterdir()], pathlib.Path.cwd())"
    )
    assert printed(sandbox.run(code, data)) == (
        "/mnt/data ['a.txt'] ['/mnt/data/a.txt']\nTrue True [('/mnt/data', [], ['a.txt'])]\n"
        "['/mnt/data/a.txt'] /mnt/data\n"
    )


def test_databases_and_fonts_open_by_name(sandbox: Sandbox, data: Path) -> None:
    code = """
import sqlite3, matplotlib, shutil
with sqlite3.connect('/mnt/data/x.db') as base:
    base.execute('create table t (a)')
base.close()
from PIL import ImageFont
shutil.copy(matplotlib.get_data_path() + '/fonts/ttf/DejaVuSans.ttf', '/mnt/data/f.ttf')
ImageFont.truetype('/mnt/data/f.ttf', 12).getname()
"""
    outcome = sandbox.run(code, data)
    assert printed(outcome) == "('DejaVu Sans', 'Book')\n"
    assert [name for name, _ in outcome.files] == ["f.ttf", "x.db"]


def test_files_and_nothing_else_survive_between_runs(sandbox: Sandbox, data: Path) -> None:
    sandbox.run("x = 1; open('/mnt/data/kept', 'w').write('1'); open('/tmp/gone', 'w').write('1')", data)
    outcome = sandbox.run(
        "import os\n'x' in globals(), os.path.exists('/tmp/gone'), open('kept').read()", data
    )
    assert outcome == CodeOutcome("(False, False, '1')\n")


def test_changed_files_are_collected_and_old_ones_not(sandbox: Sandbox, data: Path) -> None:
    (data / "old").write_text("old")
    (data / "changed").write_text("a")
    outcome = sandbox.run(
        "import os; os.mkdir('sub'); open('sub/new', 'w').write('n'); open('changed', 'w').write('b')", data
    )
    assert outcome.files == (("changed", b"b"), ("sub/new", b"n"))


def test_dangerous_leftovers_are_named_and_passed_over(sandbox: Sandbox, data: Path) -> None:
    code = """
import os
os.mkfifo('/mnt/data/pipe')
os.symlink('/etc/passwd', '/mnt/data/link')
open('/mnt/data/twice', 'w').write('x')
os.link('/mnt/data/twice', '/mnt/data/again')
open('/mnt/data/fine', 'w').write('x')
for _ in range(200):
    os.mkdir('d')
    os.chdir('d')
"""
    outcome = sandbox.run(code, data)
    assert outcome.files == (("fine", b"x"),)
    assert outcome.error is None
    for name in ("pipe", "link", "twice", "again", "/".join("d" * 17)):
        assert f"[not kept: '{name}': " in outcome.logs
    shutil.rmtree(data)


def test_uploaded_module_does_not_stand_in_for_a_real_one(sandbox: Sandbox, data: Path) -> None:
    (data / "json.py").write_text("raise SystemExit('fooled')")
    (data / "mine.py").write_text("value = 5")
    assert printed(sandbox.run("import json, mine\nmine.value", data)) == "5\n"


def test_pillow_saves_what_the_host_can_open(sandbox: Sandbox, data: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(data / "in.png")
    code = """
from PIL import Image
picture = Image.open('/mnt/data/in.png')
picture.resize((4, 4)).save('/mnt/data/out.png')
picture.convert('RGB').save('/mnt/data/out.jpg', quality=90)
picture.save('/mnt/data/out.webp')
"""
    outcome = sandbox.run(code, data)
    formats = {name: Image.open(io.BytesIO(content)).format for name, content in outcome.files}
    assert formats == {"out.jpg": "JPEG", "out.png": "PNG", "out.webp": "WEBP"}


def test_table_is_read_plotted_and_shown(sandbox: Sandbox, data: Path) -> None:
    (data / "sales.csv").write_text("month,units\nJan,3\nFeb,5\n")
    code = """
import pandas as pd
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
table = pd.read_csv('/mnt/data/sales.csv')
table.plot.bar(x='month', y='units')
plt.savefig('/mnt/data/chart.png', dpi=50)
plt.show()
table.to_csv('/mnt/data/copy.csv', index=False)
int(table.units.sum())
"""
    outcome = sandbox.run(code, data)
    assert printed(outcome) == "8\n"
    assert outcome.displayed == ("figure-1.png",)
    files = dict(outcome.files)
    assert files["copy.csv"] == b"month,units\nJan,3\nFeb,5\n"
    assert Image.open(io.BytesIO(files["chart.png"])).size == (320, 240)
    assert files["figure-1.png"] == files["chart.png"]


def test_a_figure_shown_as_it_was_saved_is_the_same_file(sandbox: Sandbox, data: Path) -> None:
    code = """
import matplotlib.pyplot as plt
for number in (1, 2):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([number, 3])
    figure.savefig(f'/mnt/data/saved-{number}.png')
    if number == 2:
        axes.set_title('changed')
plt.show()
"""
    outcome = sandbox.run(code, data)
    assert printed(outcome) == ""
    files = dict(outcome.files)
    assert outcome.displayed == ("figure-1.png", "figure-2.png")
    assert files["figure-1.png"] == files["saved-1.png"]
    assert files["figure-2.png"] != files["saved-2.png"]


def test_a_figure_that_is_open_at_the_end_is_shown_unasked(sandbox: Sandbox, data: Path) -> None:
    code = """
import matplotlib.pyplot as plt
for number in (1, 2, 3):
    figure, axes = plt.subplots(figsize=(2, 1))
    figure.savefig(f'/mnt/data/saved-{number}.png')
    if number == 2:
        plt.close(figure)
axes.set_title('$unfinished_{$')
"""
    outcome = sandbox.run(code, data)
    files = dict(outcome.files)
    assert outcome.displayed == ("figure-1.png",)
    assert files["figure-1.png"] == files["saved-1.png"]
    # The other cannot be drawn any more; that is said, and the run has succeeded.
    assert (
        "ParseException" in outcome.logs
        or "ParseFatalException" in outcome.logs
        or "ValueError" in outcome.logs
    )
    assert outcome.error is None


def test_second_plot_finds_the_fonts_at_hand(plain_sandbox: Sandbox, tmp_path: Path, data: Path) -> None:
    code = "import os, matplotlib, matplotlib.font_manager\nprint(len(os.listdir(matplotlib.get_cachedir())))"
    logs = [printed(plain_sandbox.run(code, data)), printed(plain_sandbox.run(code, data))]
    assert logs[0] == logs[1] != "0\n"
    assert (tmp_path / "fonts.json").stat().st_size > 1000


def test_runs_at_the_same_time_do_not_meet(sandbox: Sandbox, tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(4)]
    together = threading.Barrier(4)

    def one(place: Path) -> CodeOutcome:
        place.mkdir()
        together.wait()
        return sandbox.run(
            f"open('/mnt/data/x', 'w').write('{place.name}'); open('/tmp/x', 'x').close()", place
        )

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(one, places))
    assert outcomes == [CodeOutcome("", (("x", place.name.encode()),)) for place in places]

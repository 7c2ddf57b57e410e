"""Paths, links, commands, options and functions that the documents name exist. Commands are parsed, not run."""

import contextlib
import importlib.util
import io
import re
import runpy
import sys
from unittest import mock

import pytest

from drujax import cli
from drujax.console import command_line
from drujax.methods import registry
from experiments.figures import FIGURES
from experiments.prepare import SUBCOMMANDS
from tests.support.documents import DOCUMENTS, REPOSITORY, anchors, code_spans, commands, links, read, usages

GUIDES = [document for document in DOCUMENTS if document != "CHANGELOG.md"]  # which also names what is gone
SOURCES = [path for folder in ("drujax", "experiments", "tests") for path in REPOSITORY.glob(f"{folder}/**/*.py")]
FILE_NAMES = {path.name for path in SOURCES}
COMMANDS = [(document, " ".join(words), words) for document in GUIDES for words in commands(read(document))]
OTHER_PROGRAMS = {"pytest", "venv", "pip"}


class Parsed(BaseException):
    """Raised instead of running the command."""


def run_as_main(module: str) -> None:
    """Runs an entry point as if in a process that has not imported it."""
    imported = sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        if imported is not None:
            sys.modules[module] = imported


def parse(words: list[str]) -> None:
    """Raises Parsed once a command's arguments are parsed, or else the command's error."""
    genuine = command_line.parse

    def stop(*arguments, **options):
        genuine(*arguments, **options)
        raise Parsed

    with mock.patch.object(command_line, "parse", stop), mock.patch.object(sys, "argv", words):
        if words[0] == "drujax":
            cli.main(words[1:])
        else:
            sys.argv = words[2:]
            run_as_main(words[2])


def help_of(*words: str) -> str:
    """The output of `drujax ... --help` or `experiments.X ... --help`."""
    captured = io.StringIO()
    with (
        contextlib.redirect_stdout(captured),
        contextlib.suppress(SystemExit),
        mock.patch.object(sys, "argv", list(words)),
    ):
        sys.argv.append("--help")
        if words[0] == "drujax":
            cli.main(sys.argv[1:])
        else:
            run_as_main(words[0])
    return captured.getvalue()


@pytest.mark.parametrize(("document", "command", "words"), COMMANDS, ids=[command for _, command, _ in COMMANDS])
def test_commands_are_understood(document, command, words):
    if words[0] != "drujax" and words[2] in OTHER_PROGRAMS:
        assert importlib.util.find_spec(words[2]), document
    elif "--help" in words:
        assert help_of(*words[: words.index("--help")])
    else:
        with pytest.raises(Parsed):
            parse(words)


def test_commands_are_found():
    """The test above must not be empty."""
    found = [command for document, command, _ in COMMANDS if document == "README.md"]
    assert "drujax enhance night.png" in found
    assert ".venv/bin/python -m experiments.train --backbone=vit_b16" in found


def test_a_wrong_command_is_detected():
    with pytest.raises(SystemExit):
        parse(["python", "-m", "experiments.train", "--bakcbone=vit_b16"])


def test_readme_shows_every_command_with_options_that_exist():
    shown = usages(read("README.md"))
    assert shown.keys() == cli.COMMANDS.keys()
    for name, usage in shown.items():
        captured = help_of("drujax", name)
        for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", usage):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", captured), (name, option)
        for option in re.findall(r"(--\w+) [A-Z]+\s[^-]*?\(required\)", captured):
            assert option in usage or (option == "--output" and "-o " in usage), (name, option)


@pytest.fixture(scope="module")
def options() -> str:
    """The help of every command."""
    helps = [help_of("drujax", name) for name in cli.COMMANDS]
    helps += [help_of("experiments.prepare"), *(help_of("experiments.prepare", name) for name in SUBCOMMANDS)]
    helps += [help_of("experiments.evaluate"), help_of("experiments.evaluate", "light"), help_of("experiments.tables")]
    helps += [help_of("experiments.figures", name) for name in FIGURES]
    helps += [
        help_of("experiments.benchmark", name)
        for name in ("train", "enhance", "data", "scenes", "metrics", "runtimes", "start", "int8")
    ]
    helps += [help_of("experiments.train", f"--method={name}") for name in registry.trained()]
    return "\n".join(helps)


@pytest.mark.parametrize("document", GUIDES)
def test_options_exist(document, options):
    """Options named in sentences without a whole command: `--gan.patches`, `prepare --groups`."""
    for span in code_spans(read(document)):
        if re.match(r"(--[a-z]|(prepare|train|evaluate|figures|benchmark|enhance|score|convert|sort) --)", span):
            for option in re.findall(r"(?<![\w-])--[a-z][\w.-]*", span):
                assert re.search(rf"(?<![\w-]){re.escape(option.replace('_', '-'))}(?![\w-])", options), option


@pytest.mark.parametrize("document", DOCUMENTS)
def test_link_targets_exist(document):
    for link in links(read(document)):
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / document).parent / path if path else REPOSITORY / document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", GUIDES)
def test_paths_exist(document):
    for span in code_spans(read(document)):
        if "NAME" in span:  # for the reader to fill in
            continue
        if re.fullmatch(r"(drujax|experiments|tests|docs|notebooks|\.ci|\.github)/[\w./-]*", span):
            assert (REPOSITORY / span).exists(), span
        elif re.fullmatch(r"\w+\.py", span):
            assert span in FILE_NAMES, span


@pytest.mark.parametrize("document", GUIDES)
def test_functions_that_documents_name_exist(document):
    """`path.py`: `function`, `Class.method`."""
    for path, names in re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", read(document)):
        source = (REPOSITORY / path).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", names):
            for part in name.split("."):
                assert re.search(rf"^\s*(def|class) {part}\b|^{part}\b.* = ", source, re.MULTILINE), (path, name)


def test_paths_in_the_code_exist():
    """In comments and docstrings, which refactoring tools do not update."""
    missing = [
        f"{source.relative_to(REPOSITORY)}: {path}"
        for source in SOURCES
        for path in re.findall(
            r"\b(?:drujax|experiments|docs|tests)/[\w/]+\.(?:py|md|csv)\b", source.read_text("utf-8")
        )
        if not (REPOSITORY / path).exists()
    ]
    assert not missing


def test_modules_that_the_code_names_exist():
    """In comments, and in programs that tests contain as strings."""
    named = re.compile(r"\bfrom ((?:drujax|experiments)[\w.]*) import|`((?:drujax|experiments)\.[\w.]+)`")
    missing = [
        f"{source.relative_to(REPOSITORY)}: {name}"
        for source in SOURCES
        for name in map("".join, named.findall(source.read_text("utf-8")))
        if not _resolves(name)
    ]
    assert not missing


def _resolves(name: str) -> bool:
    """Whether it is a module, or a name that occurs in the module's text."""
    *parents, last = name.split(".")
    path = REPOSITORY.joinpath(*parents)
    if (path / last).is_dir() or (path / f"{last}.py").is_file():
        return True
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return module.is_file() and re.search(rf"\b{last}\b", module.read_text("utf-8")) is not None

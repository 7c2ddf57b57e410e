"""The files around the code (changelog, citation, configuration) agree with it."""

import re
import tomllib

from drujax.runtime.version import __version__
from tests.support.documents import REPOSITORY, read

PROJECT = tomllib.loads(read("pyproject.toml"))


def sections() -> list[str]:
    """Headings of the changelog's releases."""
    return re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)


def test_changelog_has_dated_releases_newest_first():
    unreleased, *releases = sections()
    assert unreleased == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d{2}-\d{2})", release) for release in releases]
    assert all(found)
    numbers = [(int(match[1]), int(match[2]), int(match[3]), match[4]) for match in found if match]
    assert numbers == sorted(numbers, reverse=True)


def test_the_version_is_defined_once():
    assert f"\nversion: {__version__}\n" in read("CITATION.cff")
    assert PROJECT["project"]["dynamic"] == ["version"]


def test_citation_names_the_paper_that_readme_names():
    citation, readme = read("CITATION.cff"), read("README.md")
    (title,) = re.findall(r"title +=\s*{(.*)}", readme)
    (paper,) = re.findall(r"arXiv:(\d+\.\d+)", readme)
    assert f"title: {title}" in citation
    assert f"arXiv:{paper}" in citation
    assert PROJECT["project"]["urls"]["Paper"].endswith(paper)


def test_oldest_versions_are_those_that_the_package_admits():
    lowest = dict(requirement.split(">=") for requirement in PROJECT["project"]["dependencies"])
    for pin in PROJECT["dependency-groups"]["oldest"]:
        name, version = pin.split("==")
        assert name not in lowest or version in (lowest[name], lowest[name] + ".0")


def test_workflow_covers_the_versions_of_python_that_the_package_names():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    (matrix,) = re.findall(r"python: (\[.*\])", read(".github/workflows/ci.yml"))
    assert re.findall(r"\d\.\d+", matrix) == named
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


def test_markers_are_explained():
    markers = re.findall(r"^    (\w+): ", read("setup.cfg"), re.MULTILINE)
    assert {f"`{marker}`" in read("CONTRIBUTING.md") for marker in markers} == {True}
    assert REPOSITORY.joinpath(".pre-commit-config.yaml").exists()

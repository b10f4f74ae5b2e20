"""Count public names and those that are documented, names defined in several files, and names that many files have.

    python benchmarks/names.py [SRC]

``public_names``: names in ``__all__`` of the packages (or in the stub from which it is made).
``documented``, ``examples_run``: public names whose docstring is complete, and whose examples run; what is missing is
said by ``python benchmarks/_docstrings.py``. Not counted of another SRC than the package itself.
``duplicate_definitions``: names of functions and classes, private ones too, that several modules define at top level,
each on a line with its modules. Files ``__init__`` are not counted, nor ``config``, ``model`` and ``training`` in a
folder of ``models/``, as every model has its own.
``repeated_file_names``: names that more than two of these files have.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

from _docstrings import problems_of, public_objects, run_examples
from _results import Results

SOURCES = Path(__file__).parents[1] / "src" / "brain2music"
RESULTS = Results("names")

MODEL_FILES = {"config", "model", "training"}


def main(root: Path) -> None:
    """Print the counts, and what is counted."""
    files = sorted(root.rglob("*.py"))
    public = sum(len(public_names(file)) for file in files if file.stem == "__init__")
    print(f"public_names: {public}")
    RESULTS.add("public names", public)
    if root.resolve() == SOURCES:
        report_documentation()
    counted = [file for file in files if not is_exempt(file.relative_to(root))]
    definitions: defaultdict[str, list[Path]] = defaultdict(list)
    stems: defaultdict[str, list[Path]] = defaultdict(list)
    for file in counted:
        stems[file.stem].append(file)
        for name in sorted(defined_names(file)):
            definitions[name].append(file)
    report("duplicate_definitions", definitions, 1, root)
    report("repeated_file_names", stems, 2, root)


def report_documentation() -> None:
    """Print how many public names have a complete docstring, and examples that run."""
    names = public_objects()
    distinct = {id(each.value): each for each in names}
    complete = {number: not problems_of(each) for number, each in distinct.items()}
    running = {number: not run_examples(each) for number, each in distinct.items()}
    documented, examples_run = (sum(found[id(each.value)] for each in names) for found in (complete, running))
    print(f"documented: {documented}\nexamples_run: {examples_run}")
    RESULTS.add("documented", documented, bar="all public names", n=len(names))
    RESULTS.add("examples run", examples_run, bar="all public names", n=len(names))


def report(figure: str, found: dict[str, list[Path]], most: int, root: Path) -> None:
    """Print how many names occur in more than ``most`` files, and where."""
    repeated = {name: files for name, files in sorted(found.items()) if len(files) > most}
    print(f"{figure}: {len(repeated)}")
    RESULTS.add(figure.replace("_", " "), len(repeated))
    for name, files in repeated.items():
        print(f"  {name}: {', '.join(file.relative_to(root).as_posix() for file in files)}")


def is_exempt(file: Path) -> bool:
    """Whether a file may repeat names: ``__init__``, and the usual files of a model."""
    in_model = file.parts[0] == "models" and len(file.parts) > 2
    return file.stem == "__init__" or (in_model and file.stem in MODEL_FILES)


def defined_names(file: Path) -> set[str]:
    """The functions and classes that a module defines at its top level, ``if`` and ``try`` included."""
    names: set[str] = set()
    blocks: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while blocks:
        for node in ast.iter_child_nodes(blocks.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                blocks.append(node)
    return names


def public_names(file: Path) -> set[str]:
    """The names in ``__all__`` of a package, or those that its stub imports."""
    stub = file.with_suffix(".pyi")
    if stub.is_file():
        imports = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name for node in imports for alias in node.names}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets):
            return set(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return set()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCES)

"""Runs in Copier's own Python, for `make update`: reads YAML and renders releases of the template.

    python update_copier.py REQUEST ANSWER

Both are files of JSON. A request is `{"load": [text, ...]}` or `{"render": [job, ...]}`; the answer is a list.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

WRONG = 2  # exit code: what Copier says has been shown


def _load(text: str) -> Any:
    yaml: Any = import_module("yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _render(job: dict[str, Any]) -> Any:
    """Render a release with the answers of a project into an empty folder, and return all answers."""
    yaml: Any = import_module("yaml")
    folder = Path(job["folder"])
    answers = folder / job["answers_file"]
    answers.parent.mkdir(parents=True, exist_ok=True)
    answers.write_text(yaml.safe_dump(job["answers"] | {"_src_path": job["source"]}, allow_unicode=True), "utf-8")
    import_module("copier").run_recopy(
        folder,
        job["data"],
        answers_file=job["answers_file"],
        vcs_ref=job["commit"],
        defaults=not job["asks"],
        skip_answered=True,
        skip_tasks=True,
        overwrite=True,
        quiet=True,
    )
    return _load(answers.read_text("utf-8"))


def main(request: str, answer: str) -> int:
    asked = json.loads(Path(request).read_text("utf-8"))
    try:
        said = [_load(text) for text in asked.get("load", [])] + [_render(job) for job in asked.get("render", [])]
    except (ValueError, import_module("copier.errors").CopierError) as error:
        sys.stderr.write(f"{error}\n")
        return WRONG
    Path(answer).write_text(json.dumps(said, default=str), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

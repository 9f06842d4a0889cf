"""Git for `make update`: with the user's configuration in their repository, without any where files are merged."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from devtools.process import fail

BOTH_HAVE_IT = (2, 38)  # `merge-tree --write-tree`
MODULE = "160000"  # a submodule: its id is a commit's


class Entry(NamedTuple):
    """A file as git keeps it."""

    mode: str
    id: str


Tree = dict[str, Entry]


class Git:
    """Runs git in a folder."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"} if environment is None else environment
        self.is_apart = False  # from the terminal, whose Ctrl-C would reach a command halfway

    def run(self, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*GIT, *arguments],
            cwd=self.folder,
            env=self._environment,
            input=stdin,
            capture_output=True,
            start_new_session=self.is_apart,
            check=False,
        )

    def bytes(self, *arguments: str, stdin: bytes = b"") -> bytes:
        done = self.run(*arguments, stdin=stdin)
        if done.returncode:
            fail(f"git {arguments[0]} failed: {os.fsdecode(done.stderr).strip()}")
        return done.stdout

    def text(self, *arguments: str) -> str:
        return os.fsdecode(self.bytes(*arguments)).strip("\n")

    def find(self, *arguments: str) -> str | None:
        """Return what a command says, or None if it fails."""
        done = self.run(*arguments)
        return None if done.returncode else os.fsdecode(done.stdout).strip("\n")

    def path(self, name: str) -> Path:
        """Return where a file of the repository is, in worktrees too."""
        return self.folder / self.text("rev-parse", "--git-path", name)

    def tree(self, name: str) -> Tree:
        """Read the files of a commit or of a folder in it."""
        tree = {}
        for line in names(self.bytes("ls-tree", "-r", "-z", "--full-tree", name)):
            entry, path = line.split("\t", 1)
            mode, _, identity = entry.split(" ")
            tree[path] = Entry(mode, identity)
        return tree


class Workshop(Git):
    """A repository in a temporary folder that reads the user's objects and none of their configuration."""

    def __init__(self, folder: Path, users: Git) -> None:
        self._users = users
        identity = users.find("var", "GIT_AUTHOR_IDENT") or "Template <template@localhost> 0 +0000"
        author, _, rest = identity.partition(" <")
        address = rest.partition(">")[0]
        roles = ("AUTHOR", "COMMITTER")
        super().__init__(
            folder,
            {
                **without_configuration(),
                "GIT_DIR": str(folder / "git"),
                **{f"GIT_{role}_NAME": author for role in roles},
                **{f"GIT_{role}_EMAIL": address for role in roles},
            },
        )
        kind = users.find("rev-parse", "--show-object-format") or "sha1"
        self.bytes("init", "--quiet", "--bare", "--template=", f"--object-format={kind}", str(folder / "git"))
        for key in ("core.attributesFile", "core.excludesFile"):
            self.bytes("config", key, os.devnull)
        self._objects = folder / "git" / "objects"
        (self._objects / "info").mkdir(exist_ok=True)
        (self._objects / "info" / "alternates").write_bytes(os.fsencode(users.path("objects").resolve()) + b"\n")

    def add(self, folder: Path) -> Tree:
        """Take in what stands in a folder."""
        self.bytes("read-tree", "--empty")
        self.bytes(f"--work-tree={folder}", "-C", str(folder), "add", "--all", "--force", ".")
        return self.tree(self.text("write-tree"))

    def write(self, tree: Tree) -> str:
        self.bytes("read-tree", "--empty")
        lines = b"".join(os.fsencode(f"{each.mode} {each.id}\t{path}\0") for path, each in tree.items())
        self.bytes("update-index", "-z", "--index-info", stdin=lines)
        return self.text("write-tree", "--missing-ok")

    def commit(self, tree: Tree, message: str, *parents: str) -> str:
        before = [argument for parent in parents for argument in ("-p", parent)]
        return self.text("commit-tree", "-m", message, *before, self.write(tree))

    def blobs(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Return the contents of files by id."""
        wanted = sorted({entry.id for entry in entries if entry.mode != MODULE})
        said = self.bytes("cat-file", "--batch", stdin="\n".join([*wanted, ""]).encode())
        found, start = {}, 0
        for identity in wanted:
            end = said.index(b"\n", start)
            size = int(said[start:end].split(b" ")[2])
            found[identity] = said[end + 1 : end + 1 + size]
            start = end + size + 2
        return found

    def check_out(self, tree: Tree, folder: Path) -> None:
        folder.mkdir()
        self.write(tree)
        self.bytes(f"--work-tree={folder}", "-C", str(folder), "checkout-index", "--all")

    def publish(self) -> None:
        """Give the user's repository the objects that were made here."""
        target = self._users.path("objects")
        for path in self._objects.glob("??/*"):
            copy = target / path.relative_to(self._objects)
            if not copy.exists():
                copy.parent.mkdir(exist_ok=True)
                shutil.move(path, copy)


GIT = ["git"]
NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


def without_configuration() -> dict[str, str]:
    """Return environment variables with which git reads no configuration but a repository's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}


def names(output: bytes) -> list[str]:
    """Split what git says with `-z`."""
    return [os.fsdecode(each) for each in output.split(b"\0") if each]


def version() -> tuple[int, ...]:
    said = subprocess.run([*GIT, "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[2].split(".")[:2])

"""Creates a service from this clone: `copier copy` with its questions, `make new DEST=../my-service`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL = "pipx install uv"


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False).stdout


def choose_folder(wanted: str) -> Path:
    """Return where the service goes.

    Raises:
        SystemExit: no folder was given, or it is inside this clone.
    """
    if not wanted:
        sys.exit("Say where the service goes: make new DEST=../my-service")
    folder = Path(wanted).expanduser().absolute()
    if folder.resolve().is_relative_to(ROOT):
        sys.exit(f"{folder} is inside this clone, which is a repository already: make new DEST=../{folder.name}")
    return folder


def source() -> tuple[str, dict[str, str]]:
    """Return where the project gets its updates from, and the environment in which that leads to this clone.

    It is the address that this clone came from, as long as what is copied is there, too; else this clone.
    """
    address = git("remote", "get-url", "origin").strip()
    if not address.startswith("https://") or not git("branch", "--remotes", "--contains", "HEAD"):
        return str(ROOT), {}
    address = f"{address.removesuffix('.git')}.git"  # or Copier takes it for a folder, unless it knows the host
    redirect = {"KEY": f"url.{ROOT}.insteadOf", "VALUE": address}
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    return address, {
        "GIT_CONFIG_COUNT": str(count + 1),
        **{f"GIT_CONFIG_{name}_{count}": value for name, value in redirect.items()},
    }


def main() -> None:
    folder, arguments = choose_folder(os.environ.get("DEST", "")), sys.argv[1:]
    if git("status", "--porcelain"):
        sys.exit("This clone has changes that no commit holds, so the service could not be updated: commit them first.")
    if not sys.stdin.isatty() and "--defaults" not in arguments:
        sys.exit('There is no terminal to ask in: make new DEST=../my-service ARGS="--defaults -d auth=false"')
    address, environment = source()
    command = ["copier", "copy", "--vcs-ref", "HEAD", *arguments, address, str(folder)]
    done = subprocess.run([sys.executable, "-m", *command], env={**os.environ, **environment}, check=False)
    if done.returncode:
        sys.exit("Nothing was rendered: the message above says why.")
    if Path(shutil.which("uv") or ROOT).is_relative_to(ROOT):
        print(f"uv is not installed on this machine yet: {INSTALL}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

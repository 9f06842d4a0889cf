"""Version 1: the files that it has moved."""

from moves import move_files

MOVES = {
    "src/auth/setup.py": "src/auth/app.py",
    "src/database/setup.py": "src/database/app.py",
    "src/pages/setup.py": "src/pages/app.py",
    "tests/database/test_setup.py": "tests/database/test_app.py",
}

if __name__ == "__main__":
    move_files(MOVES)

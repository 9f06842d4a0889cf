"""Version 1: the files that it has moved."""

from moves import move_files

MOVES = {
    "src/auth/common_passwords.txt": "src/auth/words/common_passwords.txt",
    "src/auth/reader.py": "src/auth/sessions.py",
    "src/auth/routes.py": "src/auth/public_routes.py",
    "src/auth/setup.py": "src/auth/app.py",
    "src/auth/snapshots.py": "src/auth/user_changes.py",
    "src/database/setup.py": "src/database/app.py",
    "src/redis_database/setup.py": "src/redis_database/app.py",
    "tests/auth/test_managers.py": "tests/auth/test_sessions.py",
    "tests/auth/test_snapshots.py": "tests/auth/test_user_changes.py",
    "tests/database/test_setup.py": "tests/database/test_app.py",
    "tests/pages/test_middleware.py": "tests/pages/test_views.py",
}

if __name__ == "__main__":
    move_files(MOVES)

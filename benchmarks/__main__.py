"""Print the numbers that this template tracks: `make bench`. Nothing here is asserted."""

from benchmarks import rendering, requests, size

GROUPS = (rendering, size, requests)


def main() -> None:
    for group in GROUPS:
        print(f"\n{group.__doc__.strip()}\n", flush=True)
        for name, value, goal in group.measure():
            print(f"  {name:<58} {value:>9}  {goal}", flush=True)


if __name__ == "__main__":
    main()

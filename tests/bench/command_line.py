"""What scripts/bench passes to its programs."""
import argparse


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def parser(mode, description):
    """For `bench MODE`; a program adds what it alone takes."""
    result = argparse.ArgumentParser(prog=f"bench {mode}".rstrip(), description=description)
    result.add_argument("--work", required=True, help="private folder on a disk")
    result.add_argument("--stasis", required=True)
    result.add_argument("--rounds", type=positive, default=5)
    return result


def add_containers(to):
    """Those of runc."""
    to.add_argument("--runc-root", required=True)
    to.add_argument("--container", nargs=3, action="append", metavar=("LABEL", "NAME", "BUNDLE"), required=True)


def parser_beside_criu(mode, description):
    result = parser(mode, description)
    result.add_argument("--criu", required=True)
    add_containers(result)
    return result

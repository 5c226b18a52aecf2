"""Write the pages that are made from the code."""

from deploy.reference import settings, steps


def main() -> None:
    for made in (settings, steps):
        made.PAGE.write_text(made.page(), encoding="utf-8")
        print(made.PAGE.name)


if __name__ == "__main__":
    main()

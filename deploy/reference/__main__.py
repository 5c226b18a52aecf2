"""Write the pages that are made from the code."""

from deploy.reference import settings


def main() -> None:
    settings.PAGE.write_text(settings.page(), encoding="utf-8")
    print(settings.PAGE.name)


if __name__ == "__main__":
    main()

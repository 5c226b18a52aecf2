"""Write the OpenAPI documents of the three services beside this file."""

from deploy.openapi.documents import documents


def main() -> None:
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()

"""Pages that are made from the code say what the code says."""

from deploy.reference import settings, steps


def test_the_page_of_settings_is_that_of_the_code() -> None:
    assert settings.PAGE.read_text(encoding="utf-8") == settings.page(), "run `make reference`"


def test_the_page_of_steps_is_that_of_the_steps() -> None:
    assert steps.PAGE.read_text(encoding="utf-8") == steps.page(), "run `make reference`"

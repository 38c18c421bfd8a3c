"""Sidekiq of Debian, from its suite in sidekiq_shop.rb."""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
SIDEKIQ = Script("/usr/bin/ruby", HERE / "sidekiq_shop.rb")

sidekiq_outcome = SIDEKIQ.fixture()
test_sidekiq = SIDEKIQ.test("sidekiq_outcome")

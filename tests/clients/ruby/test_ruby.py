"""redis-rb of Debian, from its suite in ruby_redis.rb."""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
RUBY_REDIS = Script("/usr/bin/ruby", HERE / "ruby_redis.rb")

ruby_redis_outcome = RUBY_REDIS.fixture()
test_ruby_redis = RUBY_REDIS.test("ruby_redis_outcome")

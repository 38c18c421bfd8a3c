"""redis-rb and Rails' cache of Debian, from their suites in ruby_redis.rb and rails_cache.rb."""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
RUBY_REDIS = Script("/usr/bin/ruby", HERE / "ruby_redis.rb")
RAILS_CACHE = Script("/usr/bin/ruby", HERE / "rails_cache.rb")

ruby_redis_outcome = RUBY_REDIS.fixture()
rails_cache_outcome = RAILS_CACHE.fixture()

test_ruby_redis = RUBY_REDIS.test("ruby_redis_outcome")
test_rails_cache = RAILS_CACHE.test("rails_cache_outcome")

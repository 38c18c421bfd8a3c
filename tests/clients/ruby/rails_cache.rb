# Rails.cache as most Rails sites have it: ActiveSupport 6.1's RedisCacheStore over redis-rb 4.8.

require 'connection_pool'
require 'redis'
require 'active_support'
require 'active_support/cache'
require 'active_support/cache/redis_cache_store'
require 'active_support/core_ext/integer/time'
require 'active_support/core_ext/numeric/bytes'
require 'active_support/notifications'
require_relative 'checks'

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

URL = "redis://127.0.0.1:#{ENV.fetch('OPEN_PORT')}/0".freeze
LOCKED_URL = "redis://127.0.0.1:#{ENV.fetch('LOCKED_PORT')}/0".freeze
Book = Struct.new(:title, :updated_at) do
  def cache_key
    "books/#{title}"
  end

  def cache_version
    updated_at.to_s
  end
end

# The store swallows what the server complains of, by design: it tells only its error handler.
COMPLAINTS = []
REMEMBER = ->(method:, returning:, exception:) { COMPLAINTS << exception.message }

def store(url = URL, **settings)
  ActiveSupport::Cache::RedisCacheStore.new(url: url, error_handler: REMEMBER, **settings)
end

def complaint
  COMPLAINTS.clear
  yield
  COMPLAINTS.join
end

def server
  @server ||= Redis.new(url: URL)
end

def empty(**settings)
  server.flushall
  store(**settings)
end

check('reads what it wrote') do
  cache = empty
  values = ['text', "\xFF\x00".b, 42, nil, false, { 'a' => [1, :b] }, Book.new('Emma', 1)]
  [*values, 'x' * 100_000].each do |value|
    raise 'not written' unless cache.write('k', value)
    same value, cache.read('k')
    same true, cache.exist?('k')
  end
  same nil, cache.read('none')
  same false, cache.exist?('none')
end

check('compresses what is large') do
  cache = empty(compress_threshold: 1.kilobyte)
  cache.write('large', 'x' * 50_000)
  raise 'it is as long as before' unless server.strlen('large') < 1_000
  same 'x' * 50_000, cache.read('large')
end

check('fetches, and makes only what is not there') do
  cache = empty
  made = 0
  3.times { same 'made', cache.fetch('k', expires_in: 1.minute) { made += 1 and 'made' } }
  same 1, made
  same 'again', cache.fetch('k', force: true) { 'again' }
  same nil, cache.fetch('nothing', skip_nil: true) { nil }
  same false, cache.exist?('nothing')
  raise 'it has no such life' unless server.pttl('k') == -1
end

check('writes with an expiry, in milliseconds') do
  cache = empty
  cache.write('k', 'v', expires_in: 90.5)
  raise 'it has no such life' unless (80_000..90_500).cover?(server.pttl('k'))
  cache.write('k', 'v', expires_in: 0.05)
  becomes_true { cache.read('k').nil? }
end

check('writes only what is not there yet') do
  cache = empty
  same true, cache.write('k', 'first', unless_exist: true, expires_in: 1.minute)
  same false, cache.write('k', 'second', unless_exist: true, expires_in: 1.minute)
  same 'first', cache.read('k')
end

check('serves a stale value while one process makes a new one') do
  cache = empty
  cache.write('k', 'stale', expires_in: 0.01, race_condition_ttl: 10.seconds)
  raise 'the server drops it too soon' unless server.pttl('k') > 200_000
  becomes_true { cache.send(:read_entry, 'k').expired? }
  seen = nil
  made = cache.fetch('k', race_condition_ttl: 10.seconds, expires_in: 1.minute) do
    seen = store.read('k')
    'fresh'
  end
  same %w[stale fresh], [seen, made]
end

check('counts, from nothing and from raw values') do
  cache = empty
  same 1, cache.increment('hits')
  same 11, cache.increment('hits', 10)
  same 8, cache.decrement('hits', 3)
  same '8', cache.read('hits', raw: true)
  cache.write('n', 40, raw: true)
  same 42, cache.increment('n', 2)
end

check('counts with an expiry that the first one sets') do
  cache = empty
  same 1, cache.increment('rate', 1, expires_in: 60)
  raise 'it has no such life' unless (1..60).cover?(server.ttl('rate'))
  server.expire('rate', 30)
  same 2, cache.increment('rate', 1, expires_in: 60)
  raise 'its life was renewed' unless server.ttl('rate') <= 30
end

check('hears what the server says of a value that is no number') do
  cache = empty
  cache.write('k', 'word', raw: true)
  same 'ERR value is not an integer or out of range', complaint { same nil, cache.increment('k') }
end

check('counts from many threads') do
  cache = empty(pool_size: 4, pool_timeout: 30)
  Array.new(8) { Thread.new { 100.times { cache.increment('n') } } }.each(&:join)
  same '800', cache.read('n', raw: true)
end

check('reads and writes many at once') do
  cache = empty(namespace: 'shop')
  cache.write_multi({ 'a' => 1, 'b' => [2] })
  cache.write_multi({ 'c' => 3 }, expires_in: 1.minute)
  same({ 'a' => 1, 'b' => [2], 'c' => 3 }, cache.read_multi('a', 'none', 'b', 'c'))
  same({ 'a' => 1, 'new' => 'NEW' }, cache.fetch_multi('a', 'new') { |name| name.upcase })
  same 'NEW', cache.read('new')
  same %w[shop:a shop:b shop:c shop:new], server.keys('*').sort
end

check('deletes one and many') do
  cache = empty
  cache.write_multi({ 'a' => 1, 'b' => 2, 'c' => 3 })
  same 1, cache.delete('a')
  same 2, cache.delete_multi(%w[b c none])
  same 0, server.dbsize
end

check('deletes by pattern among thousands') do
  cache = empty(namespace: 'shop')
  cache.write_multi((0...3_000).to_h { |n| ["views/#{n}", n] })
  cache.write_multi({ 'other' => 1, 'viewed' => 2 })
  server.set('views/of another', 'kept')
  cache.delete_matched('views/*')
  same ['shop:other', 'shop:viewed', 'views/of another'], server.keys('*').sort
  cache.delete_matched('v[a-j]ewe?')
  same ['shop:other', 'views/of another'], server.keys('*').sort
end

check('clears its namespace and no other') do
  cache = empty(namespace: 'shop')
  server.set('kept', 1)
  cache.write_multi((0...2_500).to_h { |n| [n.to_s, n] })
  cache.clear
  same ['kept'], server.keys('*')
  store.clear
  same 0, server.dbsize
end

check('keeps records by key and version') do
  cache = empty
  cache.fetch(Book.new('Emma', 1)) { 'rendered once' }
  same 'rendered once', cache.read(Book.new('Emma', 1))
  same nil, cache.read(Book.new('Emma', 2))
  same 'rendered twice', cache.fetch(Book.new('Emma', 2)) { 'rendered twice' }
  same ['books/Emma'], server.keys('*')
end

check('cuts long names short') do
  cache = empty
  name = 'n' * 5_000
  cache.write(name, 'v')
  same 'v', cache.read(name)
  same 1_024, server.keys('*').first.bytesize
end

check('asks once in a request') do
  cache = empty
  cache.write('k', 'v')
  cache.with_local_cache do
    same 'v', cache.read('k')
    server.del('k')
    same 'v', cache.read('k')
  end
  same nil, cache.read('k')
end

check('tells what it does to those who listen') do
  cache = empty
  heard = []
  names = /cache_(read|write|increment)/
  listener = ActiveSupport::Notifications.subscribe(names) do |name, *, payload|
    heard << [name[/\w+/], payload[:hit]]
  end
  cache.write('k', 'v')
  cache.read('k')
  cache.read('none')
  cache.increment('n')
  ActiveSupport::Notifications.unsubscribe(listener)
  same %w[cache_write cache_read cache_read cache_increment], heard.map(&:first)
  same [nil, true, false, nil], heard.map(&:last)
end

check('is refused without a password, and goes on with one') do
  same 'NOAUTH Authentication required.', complaint { same nil, store(LOCKED_URL).read('k') }
  known = store(LOCKED_URL, password: ENV.fetch('LOCKED_PASSWORD'), pool_size: 2)
  raise 'not written' unless known.write('k', 'v')
  same 'v', known.read('k')
end

check('lives on when its connection was killed') do
  cache = empty(reconnect_attempts: 3)
  cache.write('k', 'v')
  id = cache.redis.call(%w[CLIENT ID])
  same 1, server.call(['CLIENT', 'KILL', 'ID', id])
  same 'v', cache.read('k')
end

check('answers nothing rather than fail when the server is away') do
  away = store('redis://127.0.0.1:1/0', reconnect_attempts: 0)
  same nil, away.read('k')
  same false, away.write('k', 'v')
  same({}, away.read_multi('a', 'b'))
  same 'made', away.fetch('k') { 'made' }
end

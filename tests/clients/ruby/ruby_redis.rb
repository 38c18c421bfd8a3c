# redis-rb 4.8 of Debian (RESP2), as Rails uses it. How the sentences reach pytest is told in
# ../scripted.py.

require 'digest'
require 'redis'
require 'set'
require_relative 'checks'

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

PASSWORD = ENV.fetch('LOCKED_PASSWORD')
EVERY_BYTE = (0..255).to_a.pack('C*').freeze

def client(port = 'OPEN_PORT', **settings)
  Redis.new(host: '127.0.0.1', port: ENV.fetch(port).to_i, timeout: 30, **settings)
end

def locked(**settings)
  client('LOCKED_PORT', **settings)
end

def empty
  client.tap(&:flushall)
end

check('connects') do
  same 'PONG', client.ping
  same 'hello', client.echo('hello')
end

check('signs in with a password alone') { same 'PONG', locked(password: PASSWORD).ping }

check('signs in with a user and a password, a name and a database') do
  redis = locked(username: 'default', password: PASSWORD, id: 'sidekiq', db: 3)
  same 'sidekiq', redis.client(:getname)
  same '3', redis.client(:list).find { |row| row['name'] == 'sidekiq' }['db']
end

check('is refused with a wrong password') do
  raised(Redis::CommandError, 'WRONGPASS invalid username-password pair') do
    locked(username: 'default', password: 'wrong').ping
  end
end

check('is refused without a password') do
  raised(Redis::CommandError, 'NOAUTH Authentication required.') { locked.ping }
end

check('keeps databases apart') do
  redis = empty
  redis.select(4)
  redis.set('k', 'four')
  redis.select(0)
  same nil, redis.get('k')
  raised(Redis::CommandError, 'ERR DB index is out of range') { redis.select(16) }
end

check('sets, reads and counts') do
  redis = empty
  same true, redis.set('k', 'v', ex: 100, nx: true)
  same false, redis.set('k', 'w', nx: true)
  same 'v', redis.set('k', 'w', keepttl: true, get: true)
  same ['w', nil], redis.mget('k', 'none')
  same 'OK', redis.mset('a', 1, 'b', 2)
  same 42, redis.incrby('a', 41)
  same 42.5, redis.incrbyfloat('a', 0.5)
  same '2', redis.getdel('b')
  same 'w', redis.getex('k', persist: true)
  same(-1, redis.ttl('k'))
  same true, redis.copy('k', 'c')
  same 2, redis.exists('k', 'c', 'none')
  same 3, redis.unlink('a', 'k', 'c')
end

check('runs what Rails.cache runs') do
  redis = empty
  same 'OK', redis.set('views/1', 'marshalled', px: 300_000)
  same [1, 1], redis.pipelined { |pipe|
    pipe.incrby('rate', 1)
    pipe.call(:expire, 'rate', 60, 'NX')
  }
  same [2, 0], redis.pipelined { |pipe|
    pipe.incrby('rate', 1)
    pipe.call(:expire, 'rate', 60, 'NX')
  }
  raise 'no version' unless redis.info('server')['redis_version'][/\A([\d.]+)/].to_i >= 7
  cursor, keys = redis.scan('0', match: 'views/*', count: 1_000)
  same [['views/1'], '0'], [keys, cursor]
  same 1, redis.unlink(*keys)
end

check('runs ten thousand requests in a pipeline') do
  redis = empty
  answers = redis.pipelined do |pipe|
    10_000.times do |n|
      pipe.set("k:#{n}", n)
      pipe.get("k:#{n}")
    end
  end
  same 20_000, answers.size
  same((0...10_000).map(&:to_s), answers.each_slice(2).map(&:last))
end

check('finds an error in a pipeline') do
  redis = empty
  raised(Redis::CommandError, 'ERR value is not an integer or out of range') do
    redis.pipelined do |pipe|
      pipe.set('k', 'word')
      pipe.incr('k')
      pipe.set('after', 'set')
    end
  end
  same 'set', redis.get('after')
end

check('runs a transaction') do
  redis = empty
  same ['OK', 2, '2'], redis.multi { |tx|
    tx.set('k', 1)
    tx.incr('k')
    tx.get('k')
  }
end

check('discards a transaction') do
  redis = empty
  redis.call(%w[MULTI])
  same 'QUEUED', redis.call(%w[SET k 1])
  same 'OK', redis.call(%w[DISCARD])
  same nil, redis.get('k')
  raised(Redis::CommandError, 'ERR DISCARD without MULTI') { redis.call(%w[DISCARD]) }
end

check('loses a transaction when a watched key changed') do
  redis = empty
  lost = redis.watch('k') do
    client.set('k', 'changed')
    redis.multi { |tx| tx.set('k', 'mine') }
  end
  same nil, lost
  same 'changed', redis.get('k')
  kept = redis.watch('k') { redis.multi { |tx| tx.set('k', 'mine') } }
  same ['OK'], kept
end

check('sends a script again when the server has lost it') do
  redis = empty
  source = "return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}"
  redis.script(:flush)
  sha = Digest::SHA1.hexdigest(source)
  same false, redis.script(:exists, sha)
  raised(Redis::CommandError, 'NOSCRIPT No matching script. Please use EVAL.') do
    redis.evalsha(sha, ['n'], ['a'])
  end
  same ['n', 'a', 1], redis.eval(source, ['n'], ['a'])
  same ['n', 'a', 2], redis.evalsha(sha, ['n'], ['a'])
  same sha, redis.script(:load, source)
  same [true, false], redis.script(:exists, [sha, '0' * 40])
end

check('finds cjson and cmsgpack in scripts') do
  script = 'return cjson.encode({cmsgpack.unpack(cmsgpack.pack(ARGV[1], 2))})'
  same '["a",2]', empty.eval(script, [], ['a'])
end

check('walks over thousands of keys by pattern') do
  redis = empty
  redis.mapped_mset((0...5_000).flat_map { |n| [["user:#{n}", 1], ["other:#{n}", 1]] }.to_h)
  seen = redis.scan_each(match: 'user:*', count: 100).to_set
  same 5_000, seen.size
  same 10_000, redis.dbsize
  same 5_000, redis.keys('other:*').size
  same 10_000, redis.scan_each(type: 'string', count: 1_000).to_set.size
end

check('lets keys expire') do
  redis = empty
  redis.psetex('k', 40, 'v')
  becomes_true { redis.get('k').nil? }
  same(-2, redis.ttl('k'))
  redis.setex('k', 100, 'v')
  raise 'the key has not the life it was given' unless [99, 100].include?(redis.ttl('k'))
  same true, redis.persist('k')
  same false, redis.persist('k')
  same true, redis.expire('k', 50)
  same true, redis.pexpire('k', 60_000)
  same true, redis.expireat('k', Time.now.to_i + 1_000)
  raise 'the key dies too soon' unless redis.pttl('k') > 900_000
end

check('keeps every byte of keys and values') do
  redis = empty
  redis.set(EVERY_BYTE, EVERY_BYTE)
  same EVERY_BYTE, redis.get(EVERY_BYTE).b
  same [EVERY_BYTE], redis.keys('*').map(&:b)
end

check('moves values of 1 MB and of 64 MB') do
  redis = empty
  [1, 64].each do |megabytes|
    value = EVERY_BYTE * (megabytes << 12)
    same 'OK', redis.set('large', value)
    same value.bytesize, redis.strlen('large')
    raise 'the value came back changed' unless redis.get('large').b == value
  end
end

check('comes back after it was killed') do
  redis = empty
  victim = client(id: 'victim', db: 2, reconnect_attempts: 3)
  victim.set('k', 'before')
  id = victim.call(%w[CLIENT ID])
  same 1, redis.call(['CLIENT', 'KILL', 'ID', id])
  same 'before', victim.get('k')
  same 'victim', victim.client(:getname)
  raise 'it is the same connection as before' unless victim.call(%w[CLIENT ID]) > id
end

check('is told of errors in the words of Redis') do
  redis = empty
  redis.set('k', 'word')
  {
    'ERR value is not an integer or out of range' => %w[INCR k],
    "ERR unknown command 'NOPE', with args beginning with: 'a'" => %w[NOPE a],
    "ERR wrong number of arguments for 'get' command" => %w[GET],
    "ERR invalid expire time in 'setex' command" => %w[SETEX k 0 v],
    'ERR offset is out of range' => %w[SETRANGE k -1 x],
    'ERR syntax error' => %w[SET k v NX XX]
  }.each { |said, words| raised(Redis::CommandError, said) { redis.call(words) } }
end

check('finds the fields of INFO that are decided by') do
  fields = empty.info
  needed = %w[redis_version redis_mode role loading maxmemory_policy connected_clients
              uptime_in_days used_memory_human used_memory_peak_human cluster_enabled]
  same [], needed - fields.keys
  version = Gem::Version.new(fields['redis_version'])
  raise 'too old for Sidekiq' unless version >= Gem::Version.new('7.0.0')
end

check('shares a connection between threads') do
  redis = empty
  Array.new(8) { Thread.new { 100.times { redis.incr('n') } } }.each(&:join)
  same '800', redis.get('n')
end

check('watches what others do') do
  empty
  seen = Queue.new
  watcher = Thread.new do
    client.monitor do |line|
      seen << line
      break if line.include?('"the end"')
    end
  end
  becomes_true { seen.size.positive? }
  client.set('seen', 'the end')
  watcher.join(TRUE_WITHIN_SECONDS)
  lines = Array.new(seen.size) { seen.pop }
  raise 'not seen' unless lines.last.match?(/ \[0 127.0.0.1:\d+\] "set" "seen" "the end"$/)
end

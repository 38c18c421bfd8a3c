# The jobs of a small shop, as the Sidekiq process loads them (`sidekiq -r ./shop_jobs.rb`) and as
# sidekiq_shop.rb asks for them. What they did they write down in database 1.

require 'redis'
require 'sidekiq'
require 'sidekiq/launcher'

Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

PORT = ENV.fetch('OPEN_PORT').to_i
NOTES = ConnectionPool.new(size: 8) { Redis.new(host: '127.0.0.1', port: PORT, db: 1, timeout: 60) }

ENV['REDIS_URL'] ||= "redis://127.0.0.1:#{PORT}/0"
# Its clocks tick faster than in a real shop, so that nobody has to wait for them.
Sidekiq.configure_server do |config|
  config.options[:poll_interval_average] = 1
  Sidekiq::Launcher.send(:remove_const, :BEAT_PAUSE)
  Sidekiq::Launcher::BEAT_PAUSE = 0.2
end

def note(line)
  NOTES.with { |notes| notes.rpush('noted', line) }
end

class Pack
  include Sidekiq::Worker

  def perform(article, count = 1)
    note("packed #{count} #{article}")
  end
end

class Hurry
  include Sidekiq::Worker
  sidekiq_options queue: 'critical'

  def perform(name)
    note("hurried #{name}")
  end
end

class Wait
  include Sidekiq::Worker

  # Works until somebody leaves a word.
  def perform(list)
    note("waited for #{NOTES.with { |notes| notes.blpop(list, timeout: 60) }.last}")
  end
end

class Stumble
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }

  # Fails on its first two attempts.
  def perform
    attempt = NOTES.with { |notes| notes.incr('attempts') }
    raise ArgumentError, "stumbled at attempt #{attempt}" if attempt < 3

    note("stood at attempt #{attempt}")
  end
end

class Fall
  include Sidekiq::Worker
  sidekiq_options retry: 0
  sidekiq_retries_exhausted { |job, error| note("#{job['class']} gave up: #{error.message}") }

  def perform
    raise ArgumentError, 'fell'
  end
end

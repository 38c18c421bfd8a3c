# Sidekiq 6.4 with redis-rb 4.8: jobs are asked for here and worked by a process of its own.

require 'fileutils'
require 'sidekiq/api'
require 'tmpdir'
require_relative '../ruby/checks'
require_relative 'shop_jobs'

# Its grace (-t) outlasts the two seconds of a fetch, which would else take what is given back.
COMMAND = %w[/usr/bin/sidekiq -e production -r ./shop_jobs.rb -c 3 -t 4 -q critical,5
             -q default].freeze

def empty
  Sidekiq.redis(&:flushall)
end

def noted
  NOTES.with { |notes| notes.lrange('noted', 0, -1) }
end

# The process, ended as systemd would: it finishes or gives back what it has in hand.
class Workers
  def initialize
    @log = File.join(Dir.mktmpdir('sidekiq-'), 'log')
    environment = { 'REDIS_URL' => "redis://127.0.0.1:#{PORT}/0" }
    @pid = spawn(environment, *COMMAND, chdir: __dir__, in: :close, %i[out err] => @log)
    becomes_true { Sidekiq::ProcessSet.new.size == 1 }
  rescue StandardError => e
    stop
    raise "#{e.message}:\n#{File.read(@log)}"
  end

  def stop
    Process.kill(:TERM, @pid)
    ended = nil
    becomes_true { ended = Process.wait2(@pid, Process::WNOHANG) }
    raise "it ended with #{ended.last}:\n#{File.read(@log)}" unless ended.last.success?
  rescue RuntimeError
    Process.kill(:KILL, @pid) unless ended
    raise
  ensure
    FileUtils.rm_rf(File.dirname(@log))
  end
end

# Asking, with nobody at work --------------------------------------------------------------------

check('queues jobs') do
  empty
  ids = [Pack.perform_async('tea', 2), Pack.perform_async('cake'), Hurry.perform_async('Ada')]
  same %w[critical default], Sidekiq::Queue.all.map(&:name).sort
  queue = Sidekiq::Queue.new
  same 2, queue.size
  same ids[0, 2].reverse, queue.map(&:jid)
  same ['tea', 2], queue.find_job(ids[0]).args
  raise 'it waits too long' unless queue.latency.between?(0, 60)
  same true, queue.find_job(ids[0]).delete
  same [ids[1]], queue.map(&:jid)
  queue.clear
  same %w[critical], Sidekiq::Queue.all.map(&:name)
end

check('queues many jobs at once') do
  empty
  ids = Pack.perform_bulk((0...2_500).map { |n| ["article #{n}", n] })
  same 2_500, ids.compact.uniq.size
  same 2_500, Sidekiq::Queue.new.size
  same 2_500, Sidekiq::Queue.new.count
  same({ 'default' => 2_500 }, Sidekiq::Stats.new.queues)
end

check('schedules jobs, and finds, moves and deletes them') do
  empty
  id = Pack.perform_in(3_600, 'tea')
  other = Pack.perform_at(Time.now + 7_200, 'cake')
  set = Sidekiq::ScheduledSet.new
  same [id, other], set.map(&:jid).reverse
  same ['cake'], set.find_job(other).args
  same [other], set.scan('cake').map(&:jid)
  set.find_job(other).reschedule(Time.now + 60)
  same [other, id], set.map(&:jid).reverse
  set.find_job(id).add_to_queue
  same [id], Sidekiq::Queue.new.map(&:jid)
  same true, !!set.find_job(other).delete
  same 0, set.size
end

# Work, all of it by one process -----------------------------------------------------------------

empty
workers = Workers.new

# What the process is doing stays, what it has done goes.
def tidied
  NOTES.with(&:flushdb)
  [Sidekiq::RetrySet, Sidekiq::ScheduledSet, Sidekiq::DeadSet].each { |kind| kind.new.clear }
  becomes_true { Sidekiq::ProcessSet.new.sum { |process| process['busy'] }.zero? }
  Sidekiq::Stats.new.reset
  yield
end

check('works what is asked for at once') do
  tidied do
    Pack.perform_async('tea', 2)
    becomes_true { noted == ['packed 2 tea'] }
    100.times { |n| Pack.perform_async('cake', n) }
    becomes_true { noted.size == 101 }
    same (0...100).map { |n| "packed #{n} cake" }.sort, noted.drop(1).sort
    same 0, Sidekiq::Queue.new.size
    becomes_true { Sidekiq::Stats.new.processed == 101 }
    same 0, Sidekiq::Stats.new.failed
    raise 'the day has less' unless Sidekiq::Stats::History.new(1).processed.values.sum >= 101
  end
end

check('works jobs when they are due') do
  tidied do
    Pack.perform_in(0.5, 'soon')
    late = { 'class' => 'Pack', 'args' => ['late'], 'jid' => 'late', 'queue' => 'critical' }
    Sidekiq::ScheduledSet.new.schedule(Time.now - 60, late)
    Pack.perform_in(3_600, 'later')
    becomes_true { noted.size == 2 }
    same ['packed 1 late', 'packed 1 soon'], noted.sort
    same ['later'], Sidekiq::ScheduledSet.new.flat_map(&:args)
  end
end

check('tries again what failed, until it stands') do
  tidied do
    Stumble.perform_async
    retries = Sidekiq::RetrySet.new
    becomes_true do
      # Its next attempt is some seconds away: nobody wants to wait for it here.
      retries.each { |job| job.reschedule(Time.now - 1) if job.at > Time.now }
      noted == ['stood at attempt 3']
    end
    becomes_true { retries.size.zero? && Sidekiq::Stats.new.failed == 2 }
    same 0, Sidekiq::DeadSet.new.size
  end
end

check('buries what failed for good, and digs it up') do
  tidied do
    id = Fall.perform_async
    dead = Sidekiq::DeadSet.new
    becomes_true { dead.map(&:jid) == [id] }
    same ['Fall gave up: fell'], noted
    raise 'it has no story' unless dead.first.item['error_message'] == 'fell'
    dead.first.retry
    becomes_true { noted.size == 2 && dead.map(&:jid) == [id] }
  end
end

check('keeps a failed job with its story until its next attempt') do
  tidied do
    Sidekiq::Client.push('class' => 'Fall', 'args' => [], 'retry' => 5)
    retries = Sidekiq::RetrySet.new
    becomes_true { retries.size == 1 }
    job = retries.first
    told = job.item.values_at('error_class', 'error_message', 'retry_count')
    same ['ArgumentError', 'fell', 0], told
    same 1, Sidekiq::Stats.new.retry_size
    job.kill
    same [job.jid], Sidekiq::DeadSet.new.map(&:jid)
    same 0, retries.size
  end
end

check('shows who is at work on what') do
  tidied do
    id = Wait.perform_async('word')
    becomes_true { Sidekiq::Workers.new.any? { |_, _, work| work['payload']['jid'] == id } }
    becomes_true { Sidekiq::ProcessSet.new.first['busy'] == 1 }
    process = Sidekiq::ProcessSet.new.first
    same [3, %w[critical default]], [process['concurrency'], process['queues'].uniq.sort]
    raise 'it has no name' unless process['identity'].include?(process['pid'].to_s)
    NOTES.with { |notes| notes.rpush('word', 'go') }
    becomes_true { noted == ['waited for go'] }
  end
end

check('gives back a job that it cannot finish before it must stop') do
  tidied do
    id = Wait.perform_async('word')
    becomes_true { Sidekiq::Workers.new.any? { |_, _, work| work['payload']['jid'] == id } }
    workers.stop
    same [id], Sidekiq::Queue.new.map(&:jid)
    same 0, Sidekiq::ProcessSet.new.size
  end
end

check('takes no more work after a word sent through the server') do
  empty
  workers = Workers.new
  Sidekiq::ProcessSet.new.each(&:quiet!)
  becomes_true { Sidekiq::ProcessSet.new.first&.stopping? }
  Pack.perform_async('not worked')
  workers.stop
  same [[], 1], [noted, Sidekiq::Queue.new.size]
end

# Saying a sentence with its proof; how the sentences reach pytest is told in ../scripted.py.

require 'json'

$stdout.sync = true

POLL_SECONDS = 0.01
TRUE_WITHIN_SECONDS = 30

def check(sentence)
  problem = nil
  begin
    yield
  rescue StandardError => e
    problem = "#{e.class}: #{e.message}\n#{e.backtrace.first(5).join("\n")}".scrub
  end
  puts JSON.generate({ sentence: sentence, problem: problem })
end

def same(wanted, found)
  raise "wanted #{wanted.inspect[0, 400]}, found #{found.inspect[0, 400]}" unless wanted == found
end

def raised(kind, words)
  yield
rescue kind => e
  raise "wanted #{words.inspect} in #{e.message.inspect}" unless e.message.include?(words)
else
  raise "wanted #{kind} to be raised"
end

def becomes_true
  give_up = Process.clock_gettime(Process::CLOCK_MONOTONIC) + TRUE_WITHIN_SECONDS
  until yield
    raise 'it never became true' if Process.clock_gettime(Process::CLOCK_MONOTONIC) > give_up
    sleep POLL_SECONDS
  end
end

# The jobs of test_queues.py with Sidekiq: `ruby sidekiq_jobs.rb fill COUNT` adds them, and
# `sidekiq -r sidekiq_jobs.rb` does them.
require "sidekiq"

Sidekiq.configure_client { |config| config.redis = { url: ENV["TEST_REDIS_URL"] } }
Sidekiq.configure_server do |config|
  config.redis = { url: ENV["TEST_REDIS_URL"] }
  # Seconds between looks at what is scheduled.
  config.options[:poll_interval_average] = 1
end

class Square
  include Sidekiq::Worker

  def perform(number)
    Sidekiq.redis { |redis| redis.hincrby("done", number, 1) }
  end
end

class Fails
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 3600 }

  def perform
    Sidekiq.redis { |redis| redis.incr("attempts") }
    raise "once"
  end
end

if ARGV[0] == "fill"
  count = ARGV[1].to_i
  half = count / 2
  half.times { |number| Square.perform_async(number) }
  Sidekiq::Client.push_bulk("class" => Square, "args" => (half...count).map { |n| [n] })
  Square.perform_in(1, count)
  Fails.perform_async
end

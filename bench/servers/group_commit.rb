# `bench peers`: what Rack and Rails share. A thread writes and fdatasyncs once for all requests that wait for it.
require "json"

class GroupCommit
  def initialize(path)
    @file = File.open(path, "ab")
    @file.sync = true
    @lock = Mutex.new
    @gathered = ConditionVariable.new
    @written = ConditionVariable.new
    @lines = +""
    @gathering = 1
    @durable = 0
    @writer = Thread.new { loop { commit } }
  end

  # Returns once the lines are on disk.
  def store(lines)
    @lock.synchronize do
      @lines << lines
      mine = @gathering
      @gathered.signal
      @written.wait(@lock) while @durable < mine
    end
  end

  # The lines of a request's body; nil when it is not 1 to 100 events with id, show and position.
  def self.lines(body)
    events = JSON.parse(body)
    return unless events.is_a?(Array) && events.size.between?(1, 100)
    return unless events.all? { |e| e.is_a?(Hash) && e["id"].is_a?(String) && e["show"].is_a?(String) && e["pos_ms"].is_a?(Integer) }

    events.map { |event| JSON.generate(event) << "\n" }.join
  rescue JSON::ParserError
    nil
  end

  private

  def commit
    lines, group = @lock.synchronize do
      @gathered.wait(@lock) while @lines.empty?
      taken = @lines
      @lines = +""
      @gathering += 1
      [taken, @gathering - 1]
    end
    @file.write(lines)
    @file.fdatasync
    @lock.synchronize do
      @durable = group
      @written.broadcast
    end
  end
end

# `bench peers`: the collector's contract as a bare Rack application.
require_relative "group_commit"

store = GroupCommit.new(ENV.fetch("EVENTS_FILE"))
run lambda { |env|
  lines = GroupCommit.lines(env["rack.input"].read)
  next [400, { "Content-Type" => "text/plain" }, ["not 1 to 100 events with id, show and pos_ms\n"]] unless lines

  store.store(lines)
  [204, {}, []]
}

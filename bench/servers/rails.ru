# `bench peers`: the collector's contract as a Rails application with what an API needs and nothing else.
ENV["RAILS_ENV"] = "production"
require "logger"
require "rails"
require "action_controller/railtie"
require_relative "group_commit"

STORE = GroupCommit.new(ENV.fetch("EVENTS_FILE"))

class Application < Rails::Application
  config.load_defaults 6.1
  config.api_only = true
  config.eager_load = true
  config.consider_all_requests_local = false
  config.secret_key_base = "this application signs nothing"
  config.logger = Logger.new($stderr, level: Logger::WARN)
  config.hosts.clear
  routes.append { post "/events", to: "events#create" }
end

class EventsController < ActionController::API
  wrap_parameters false

  def create
    lines = GroupCommit.lines(request.raw_post)
    return render(plain: "not 1 to 100 events with id, show and pos_ms\n", status: 400) unless lines

    STORE.store(lines)
    head :no_content
  end
end

Application.initialize!
run Application
